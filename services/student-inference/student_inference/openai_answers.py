"""Finished and growing generations as OpenAI's objects."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from student_inference.answers import output_text
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


def whole(dialect: Dialect, model: str, requests: Sequence[Request], text: TextCodec, scored: bool) -> dict[str, Any]:
    """The answer to a request that does not stream."""
    choices = []
    for index, request in enumerate(requests):
        said = output_text(request, text)
        content = {"message": {"role": "assistant", "content": said}} if dialect.chat else {"text": said}
        logprobs = logprobs_of(dialect, request, text) if scored else None
        choices.append({"index": index, **content, "logprobs": logprobs, "finish_reason": finish_of(request)})
    answer = envelope(dialect.object, model, requests[0].rid)
    last = requests[-1]
    metadata = {"weight_version": last.version_spans[-1][0] if last.version_spans else last.version}
    return {**answer, "choices": choices, "usage": usage(requests), "metadata": metadata}


def chunk(dialect: Dialect, model: str, rid: str, index: int, delta: str, finish: str | None) -> dict[str, Any]:
    """One event of a stream: only what is new."""
    content = {"delta": {"role": "assistant", "content": delta}} if dialect.chat else {"text": delta}
    choice = {"index": index, **content, "logprobs": None, "finish_reason": finish}
    return {**envelope(dialect.chunk_object, model, rid), "choices": [choice]}


def envelope(kind: str, model: str, rid: str) -> dict[str, Any]:
    return {"id": rid, "object": kind, "created": int(time.time()), "model": model}


def usage(requests: Sequence[Request]) -> dict[str, int]:
    """Tokens taken in and given out; samples of one prompt count it each."""
    prompt, completion = (sum(map(len, parts)) for parts in zip(*((r.prompt, r.output) for r in requests), strict=True))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def finish_of(request: Request) -> str | None:
    return None if request.finish is None else FINISH_REASONS[request.finish["type"]]


def logprobs_of(dialect: Dialect, request: Request, text: TextCodec) -> dict[str, Any]:
    tokens = [text.decode([token], skip_special_tokens=False) for token in request.output]
    if dialect.chat:
        content = [
            {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
            for token, logprob in zip(tokens, request.logprobs, strict=True)
        ]
        return {"content": content, "refusal": None}
    offsets = [sum(map(len, tokens[:index])) for index in range(len(tokens))]
    return {"tokens": tokens, "token_logprobs": request.logprobs, "top_logprobs": None, "text_offset": offsets}
