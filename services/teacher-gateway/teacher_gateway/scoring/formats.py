"""How vLLM and SGLang are asked for the log-probabilities of given tokens, and how their answers read."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from teacher_gateway.failures import TeacherFailure

Engine = Literal["vllm", "sglang"]


class VllmChoice(BaseModel):
    """Per prompt token: null for the first, else token id to its entry."""

    prompt_logprobs: list[dict[str, dict[str, Any]] | None]


class VllmAnswer(BaseModel):
    """Of /v1/completions."""

    model: str
    choices: list[VllmChoice] = Field(min_length=1)


class SglangMeta(BaseModel):
    """Triples of log-probability (null for a first token), token id and text."""

    input_token_logprobs: list[tuple[float | None, int, str | None]]


class SglangAnswer(BaseModel):
    """Of /generate."""

    meta_info: SglangMeta


class Scored(BaseModel):
    """Natural logarithms, one for each of token_ids[start:]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logprobs: list[float]

    @model_validator(mode="after")
    def are_logarithms(self) -> "Scored":
        """A probability is at most 1, and never NaN."""
        if not all(value <= 1e-6 for value in self.logprobs):
            raise ValueError("log-probabilities must be at most 0")
        return self


def vllm_body(model: str, token_ids: list[int]) -> dict[str, Any]:
    """The one generated token is ignored: the server samples at least one."""
    return {"model": model, "prompt": token_ids, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}


def sglang_body(token_ids: list[int]) -> dict[str, Any]:
    """SGLang divides logits by the temperature before it takes logarithms: 1 leaves them as they are."""
    sampling = {"max_new_tokens": 1, "temperature": 1.0}
    return {"input_ids": token_ids, "sampling_params": sampling, "return_logprob": True, "logprob_start_len": 0}


def read_scores(engine: Engine, answer: bytes, token_ids: list[int], start: int) -> Scored:
    """log p(token_ids[i] | token_ids[:i]) for i = start .. len - 1. Raises TeacherFailure for anything else."""
    try:
        logprobs = _vllm(answer, token_ids) if engine == "vllm" else _sglang(answer, token_ids)
        return Scored.model_validate({"logprobs": logprobs[start:]})
    except (ValidationError, KeyError, ValueError) as error:
        detail = f"The {engine} server's answer does not score these tokens ({type(error).__name__})."
        raise TeacherFailure(502, "teacher_answer_invalid", detail) from None


def _vllm(answer: bytes, token_ids: list[int]) -> list[Any]:
    rows = VllmAnswer.model_validate_json(answer).choices[0].prompt_logprobs
    return [None if row is None else row[str(token)]["logprob"] for token, row in zip(token_ids, rows, strict=True)]


def _sglang(answer: bytes, token_ids: list[int]) -> list[Any]:
    triples = SglangAnswer.model_validate_json(answer).meta_info.input_token_logprobs
    if [token for _, token, _ in triples] != token_ids:
        raise ValueError("other tokens")
    return [logprob for logprob, _, _ in triples]
