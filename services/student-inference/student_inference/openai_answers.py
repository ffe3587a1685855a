"""Finished and growing generations as OpenAI's objects."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from student_inference.answers import output_text, versions
from student_inference.request import Request
from student_inference.text import TextCodec

FINISH_REASONS = {"stop": "stop", "length": "length", "abort": "abort"}


@dataclass(frozen=True)
class Dialect:
    """What differs between the two routes."""

    object: str
    chunk_object: str
    chat: bool


COMPLETION = Dialect("text_completion", "text_completion", chat=False)
CHAT = Dialect("chat.completion", "chat.completion.chunk", chat=True)


def whole(
    dialect: Dialect, model: str, requests: Sequence[Request], text: TextCodec, scored: bool, echo: bool
) -> dict[str, Any]:
    """The answer to a request that does not stream."""
    choices = []
    for index, request in enumerate(requests):
        said = spoken(request, text, echo)
        content = {"message": {"role": "assistant", "content": said}} if dialect.chat else {"text": said}
        logprobs = logprobs_of(dialect, request, text) if scored else None
        ending = {"finish_reason": finish_of(request), "matched_stop": (request.finish or {}).get("matched")}
        choices.append({"index": index, **content, "logprobs": logprobs, **ending})
    answer = envelope(dialect.object, model, requests[0].rid)
    return {**answer, "choices": choices, "usage": usage(requests), "metadata": versions(requests[-1])}


def spoken(request: Request, text: TextCodec, echo: bool) -> str:
    """The output's text; with `echo` the prompt's before it."""
    output = output_text(request, text)
    return text.decode(request.prompt) + output if echo else output


def chunk(
    dialect: Dialect, model: str, rid: str, index: int, delta: str, finish: str | None, logprobs: Any = None
) -> dict[str, Any]:
    """One event of a stream: only what is new."""
    content = {"delta": {"role": "assistant", "content": delta}} if dialect.chat else {"text": delta}
    choice = {"index": index, **content, "logprobs": logprobs, "finish_reason": finish}
    return {**envelope(dialect.chunk_object, model, rid), "choices": [choice]}


def envelope(kind: str, model: str, rid: str) -> dict[str, Any]:
    return {"id": rid, "object": kind, "created": int(time.time()), "model": model}


def usage(requests: Sequence[Request]) -> dict[str, int]:
    """Tokens taken in and given out; samples of one prompt count it once."""
    prompt = sum(len(request.prompt) for request in requests if not request.sample)
    completion = sum(len(request.output) for request in requests)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def finish_of(request: Request) -> str | None:
    return None if request.finish is None else FINISH_REASONS[request.finish["type"]]


def logprobs_of(dialect: Dialect, request: Request, text: TextCodec, first: int = 0) -> dict[str, Any]:
    """Of the output tokens from `first` on; before them those of the prompt, when it was scored."""
    rows = list(zip(request.output[first:], request.logprobs[first:], strict=True))
    tops = request.output_alternatives.top[first:] or [[] for _ in rows]
    if dialect.chat:
        scored = zip(rows, tops, strict=True)
        content = [
            {**named(token, value, text), "top_logprobs": [named(other, lp, text) for lp, other in top]}
            for (token, value), top in scored
        ]
        return {"content": content, "refusal": None}
    if request.logprob_start is not None and not first:
        values = [None, *request.prompt_logprobs]
        rows = [*zip(request.prompt, values, strict=True), *rows]  # type: ignore[list-item]
        tops = [[], *(request.prompt_alternatives.top or [[] for _ in request.prompt[1:]]), *tops]
    tokens = [shown(token, text) for token, _ in rows]
    return {
        "tokens": tokens,
        "token_logprobs": [value for _, value in rows],
        "top_logprobs": [{shown(other, text): lp for lp, other in top} or None for top in tops] if any(tops) else None,
        "text_offset": [sum(map(len, tokens[:index])) for index in range(len(tokens))],
    }


def named(token: int, value: float, text: TextCodec) -> dict[str, Any]:
    """A token of a chat answer with its log-probability."""
    said = shown(token, text)
    return {"token": said, "logprob": value, "bytes": list(said.encode())}


def shown(token: int, text: TextCodec) -> str:
    return text.decode([token], skip_special_tokens=False)
