"""The answer of POST /generate, with exactly SGLang's fields."""

from typing import Any

from student_inference.protocol import GenerateBody
from student_inference.request import Request
from student_inference.text import TextCodec


def answer(request: Request, body: GenerateBody, text: TextCodec, scored: bool) -> dict[str, Any]:
    """The object for one finished request."""
    result: dict[str, Any] = {"text": output_text(request, text), "output_ids": request.output}
    if body.return_prompt_token_ids:
        result["prompt_token_ids"] = request.prompt
    result["meta_info"] = meta_info(request)
    if scored:
        codec = text if body.return_text_in_logprobs else None
        result["meta_info"].update(logprob_info(request, codec))
    return result


def output_text(request: Request, text: TextCodec) -> str:
    """The decoded output; what stopped it is cut off unless `no_stop_trim`."""
    matched = (request.finish or {}).get("matched")
    trim = request.params.trim_stop
    ids = request.output[:-1] if trim and isinstance(matched, int) else request.output
    decoded = text.decode(ids, request.params.skip_special_tokens)
    return decoded.split(matched, 1)[0] if trim and isinstance(matched, str) else decoded


def meta_info(request: Request) -> dict[str, Any]:
    starts = [0, *(end for _, end in request.version_spans)]
    ended = request.finished_at or request.arrived
    decoding = ended - (request.first_token_at or ended)
    return {
        "id": request.rid,
        "finish_reason": request.finish,
        "prompt_tokens": len(request.prompt),
        "completion_tokens": len(request.output),
        "cached_tokens": request.cached_tokens,
        "cached_tokens_details": None,
        "reasoning_tokens": 0,
        "num_retractions": request.retractions,
        "weight_version": request.version_spans[-1][0] if request.version_spans else request.version,
        "weight_versions": [
            {"version": version, "start": start, "end": end}
            for start, (version, end) in zip(starts, request.version_spans, strict=False)
        ],
        "dp_rank": None,
        "e2e_latency": ended - request.arrived,
        "first_token_latency": (request.first_token_at or ended) - request.arrived,
        "decode_throughput": max(len(request.output) - 1, 0) / decoding if decoding > 0 else 0.0,
    }


def logprob_info(request: Request, text: TextCodec | None) -> dict[str, Any]:
    """Log-probabilities as (value, token id, text or null); the first scored prompt token has no predecessor."""

    def triples(values: list[Any], ids: list[int]) -> list[tuple[Any, int, str | None]]:
        return [
            (value, token, None if text is None else text.decode([token], skip_special_tokens=False))
            for value, token in zip(values, ids, strict=True)
        ]

    prompt = []
    if request.logprob_start is not None:
        # A request that was aborted before its prefill has no values yet.
        ids = request.prompt[request.logprob_start :]
        values = [None, *request.prompt_logprobs]
        prompt = triples(values[: len(ids)], ids[: len(values)])
    return {
        "input_token_logprobs": prompt,
        "output_token_logprobs": triples(request.logprobs, request.output),
        "output_token_logprobs_length": len(request.output),
    }
