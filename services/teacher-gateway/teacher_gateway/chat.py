"""One request to an OpenAI chat API over kept connections: typed reply or typed failure, and never a retry."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from contracts.guidance import GuidanceRequest
from pydantic import BaseModel, Field, ValidationError
from servicekit.addresses import MOST_ADDRESSES
from servicekit.http_client import Connections, Door
from servicekit.http_connection import TooLong

from teacher_gateway.addresses import chat_url
from teacher_gateway.failures import EmptyAnswer, PassingFailure, TeacherFailure
from teacher_gateway.keys import KeyRing
from teacher_gateway.providers.base import Reply

# The longest guidance that a job may ask for is 8,192 tokens, some 40 KB: what exceeds this is none.
MAX_ANSWER_BYTES = 1 << 20
# Enough for a sentence of cause; an HTML error page is cut.
MESSAGE_CHARACTERS = 300
# Besides 429 and 5xx: request time-out and too early.
PASSING_STATUSES = frozenset({408, 425})
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Message(BaseModel):
    """What was said."""

    content: str | None = None


class Choice(BaseModel):
    """One completion."""

    message: Message
    finish_reason: str | None = None


class Usage(BaseModel):
    """The provider's own count."""

    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int = Field(0, ge=0)


class Completion(BaseModel):
    """The part of a chat completion that is used; servers add fields of their own."""

    choices: list[Choice]
    model: str | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


class ErrorDetail(BaseModel):
    """Why there is no completion."""

    message: str


class ErrorBody(BaseModel):
    """OpenAI's error shape."""

    error: ErrorDetail


class ChatClient:
    """Asks any OpenAI chat API, with the key of its base URL if there is one."""

    def __init__(self, connections: Connections, keys: KeyRing) -> None:
        self._connections = connections
        self._keys = keys
        self._door = lru_cache(MOST_ADDRESSES)(self._open_door)

    async def complete(
        self, base_url: str, model: str, prompt: str, request: GuidanceRequest, extra: Mapping[str, Any] = NOTHING
    ) -> Reply:
        """One completion of `prompt`, however long it takes; `extra` is a server's own part of the body.

        Raises TeacherFailure or PassingFailure.
        """
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": request.teacher.temperature,
            "max_tokens": request.teacher.max_guidance_tokens,
            "seed": request.seed,
            **extra,
        }
        try:
            answer = await self._door(base_url).post(msgspec.json.encode(body))
        except TooLong:
            detail = f"The answer exceeds {MAX_ANSWER_BYTES} bytes."
            raise TeacherFailure(502, "teacher_answer_invalid", detail) from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that DNS cannot spell
            detail = f"No answer from the teacher at {base_url} ({type(error).__name__}); check that it runs there."
            raise PassingFailure(502, "teacher_unreachable", detail) from error
        if answer.status != 200:
            message = self._keys.redact(_message(answer.body))[:MESSAGE_CHARACTERS]
            raise _failure(answer.status, answer.retry_after, message)
        return _reply(answer.body, model)

    def _open_door(self, base_url: str) -> Door:
        return Door(self._connections, chat_url(base_url), self._keys.of(base_url), MAX_ANSWER_BYTES)


def _failure(status: int, retry_after: int | None, message: str) -> TeacherFailure:
    detail = f"The teacher answered {status}: {message}"
    if status == 429:
        return PassingFailure(503, "teacher_rate_limited", detail, retry_after=retry_after)
    if status >= 500 or status in PASSING_STATUSES:
        return PassingFailure(502, "teacher_failed", detail, retry_after=retry_after)
    return TeacherFailure(502, "teacher_refused", detail)


def _message(answer: bytes) -> str:
    """The teacher's own words: OpenAI's `error.message` where there is one, else the body."""
    try:
        return ErrorBody.model_validate_json(answer).error.message
    except ValidationError:
        return answer.decode("utf-8", "replace")


def _reply(answer: bytes, model: str) -> Reply:
    try:
        completion = Completion.model_validate_json(answer)
    except ValidationError as error:
        detail = f"The teacher's answer is no chat completion ({error.error_count()} faults)."
        raise TeacherFailure(502, "teacher_answer_invalid", detail) from None
    if completion.choices and completion.choices[0].finish_reason == "content_filter":
        raise TeacherFailure(502, "teacher_content_filtered", "The teacher's content filter refused this dialogue.")
    text = (completion.choices[0].message.content or "").strip() if completion.choices else ""
    if not text:
        raise EmptyAnswer("The teacher answered without a word.")
    usage = completion.usage or Usage()
    return Reply(
        text=text,
        model=completion.model or model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        truncated=completion.choices[0].finish_reason == "length",
        weight_version=_text((completion.metadata or {}).get("weight_version")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
