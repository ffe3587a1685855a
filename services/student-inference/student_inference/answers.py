"""The answer of POST /generate, with exactly SGLang's fields."""

from collections.abc import Iterable
from typing import Any

from student_inference.alternatives import Scored
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
        result["meta_info"].update(alternatives_info(request, codec))
    return result


def output_text(request: Request, text: TextCodec) -> str:
    """The decoded output up to what stopped it, which is cut off too unless `no_stop_trim`."""
    matched = (request.finish or {}).get("matched")
    trim = request.params.trim_stop
    ids = request.output[:-1] if trim and isinstance(matched, int) else request.output
    decoded = text.decode_after(request.prompt, ids, request.params.skip_special_tokens)
    if not isinstance(matched, str) or matched not in decoded:
        return decoded
    before = decoded.split(matched, 1)[0]
    return before if trim else before + matched


def meta_info(request: Request) -> dict[str, Any]:
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
        **versions(request),
        "dp_rank": None,
        "e2e_latency": ended - request.arrived,
        "first_token_latency": (request.first_token_at or ended) - request.arrived,
        "decode_throughput": max(len(request.output) - 1, 0) / decoding if decoding > 0 else 0.0,
    }


def versions(request: Request) -> dict[str, Any]:
    """Which weights gave the newest token, and which gave each."""
    starts = [0, *(end for _, end in request.version_spans)]
    return {
        "weight_version": request.version_spans[-1][0] if request.version_spans else request.version,
        "weight_versions": [
            {"version": version, "start": start, "end": end}
            for start, (version, end) in zip(starts, request.version_spans, strict=False)
        ],
    }


def logprob_info(request: Request, text: TextCodec | None) -> dict[str, Any]:
    """Log-probabilities as (value, token id, text or null); the first scored prompt token has no predecessor."""
    prompt: list[Any] = []
    if request.logprob_start is not None:
        # A request that was aborted before its prefill has no values yet.
        ids = request.prompt[request.logprob_start :]
        values = [None, *request.prompt_logprobs]
        prompt = triples(zip(values, ids, strict=False), text)
    return {
        "input_token_logprobs": prompt,
        "output_token_logprobs": triples(zip(request.logprobs, request.output, strict=True), text),
        "output_token_logprobs_length": len(request.output),
    }


def alternatives_info(request: Request, text: TextCodec | None) -> dict[str, Any]:
    """The same triples for the other tokens that were wanted, a list for each position."""
    prompt, output = request.prompt_alternatives, request.output_alternatives
    first = [] if request.logprob_start is None else [None]

    def rows(positions: list[list[Scored]]) -> list[Any]:
        return [triples(position, text) for position in positions]

    shown: dict[str, Any] = {}
    if request.wanted.top:
        shown |= {"input_top_logprobs": first + rows(prompt.top), "output_top_logprobs": rows(output.top)}
    if request.wanted.ids:
        shown |= {"input_token_ids_logprobs": first + rows(prompt.ids), "output_token_ids_logprobs": rows(output.ids)}
    return shown


def triples(scored: Iterable[tuple[Any, int]], text: TextCodec | None) -> list[tuple[Any, int, str | None]]:
    """SGLang's notation of a log-probability; without a tokenizer the text is null."""
    return [
        (value, token, None if text is None else text.decode([token], skip_special_tokens=False))
        for value, token in scored
    ]
