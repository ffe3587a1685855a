"""OpenAI's bodies of /v1/completions and /v1/chat/completions, turned into the body of /generate."""

from typing import Any, TypeVar

import msgspec

from student_inference.chat import ChatTemplate
from student_inference.protocol import BadRequest, GenerateBody, SamplingBody

# OpenAI's own default of /v1/completions; chat answers may fill the context.
COMPLETION_TOKENS = 16


class OpenAIBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What both routes share."""

    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    n: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    min_tokens: int | None = None
    stop_token_ids: list[int] | None = None
    skip_special_tokens: bool = True
    no_stop_trim: bool = False
    max_tokens: int | None = None
    ignore_eos: bool = False
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    user: str | None = None


class CompletionBody(OpenAIBody, kw_only=True):
    prompt: str | list[str | int | list[int]]
    logprobs: int | None = None
    echo: bool = False

    @property
    def scored(self) -> bool:
        return self.logprobs is not None


class ChatBody(OpenAIBody, kw_only=True):
    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None

    @property
    def scored(self) -> bool:
        return bool(self.logprobs)

    @property
    def echo(self) -> bool:
        return False


Body = TypeVar("Body", CompletionBody, ChatBody)


def parse(raw: bytes, kind: type[Body]) -> Body:
    """Decode and check types. Raises BadRequest naming the field."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error


def completion_request(body: CompletionBody) -> GenerateBody:
    """`echo` with log-probabilities scores the prompt too. Raises BadRequest for a prompt of text and ids."""
    limit = COMPLETION_TOKENS if body.max_tokens is None else body.max_tokens
    prompts = body.prompt if isinstance(body.prompt, list) else [body.prompt]
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    ids = [prompt for prompt in prompts if not isinstance(prompt, str)]
    if texts and ids:
        raise BadRequest("prompt: must be text or token ids, not a mixture")
    fields: dict[str, Any] = {"text": texts} if texts else {"input_ids": ids}
    return GenerateBody(
        **fields,
        sampling_params=sampling(body, limit),
        return_logprob=body.scored,
        logprob_start_len=0 if body.echo and body.scored else -1,
        top_logprobs_num=body.logprobs,
    )


def chat_request(body: ChatBody, template: ChatTemplate) -> GenerateBody:
    """Raises BadRequest for what the template does not do."""
    limit = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    text = template.render(body.messages)
    return GenerateBody(
        text=text,
        sampling_params=sampling(body, limit),
        return_logprob=body.scored,
        top_logprobs_num=body.top_logprobs,
    )


def sampling(body: OpenAIBody, limit: int | None) -> SamplingBody:
    return SamplingBody(
        max_new_tokens=limit,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        n=body.n,
        sampling_seed=body.seed,
        stop=body.stop,
        ignore_eos=body.ignore_eos,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias=body.logit_bias,
        min_new_tokens=body.min_tokens,
        stop_token_ids=body.stop_token_ids,
        skip_special_tokens=body.skip_special_tokens,
        no_stop_trim=body.no_stop_trim,
    )
