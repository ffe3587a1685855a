"""HTTP of the tutor: OpenAI's paths and errors."""

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from tasks.guiding import Lesson
from tasks.tutors import guide

from tutor.chat import MODEL, ChatError, ChatRequest, completion
from tutor.sections import read_ground_truth, read_sections

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions")
async def complete_chat(request: ChatRequest) -> dict[str, Any]:
    """The hint for the question and latest answer of the last user message."""
    refuse_unsupported(request)
    prompt = request.last_user_text
    try:
        answer = guide(lesson_of(request))
    except ValueError as error:
        raise ChatError(400, f"Not a teacher prompt of a built-in task: {error}.", param="messages") from error
    return completion(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), prompt, answer, request.word_limit)


def lesson_of(request: ChatRequest) -> Lesson:
    """What the tutor is to say. Raises ValueError naming a section that is missing."""
    prompt = request.last_user_text
    question, answer = read_sections(prompt)
    return Lesson(question, answer, request.tutor, request.seed, read_ground_truth(prompt))


@router.get("/models")
async def list_models() -> dict[str, Any]:
    """The one model."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "socratic"}]}


def refuse_unsupported(request: ChatRequest) -> None:
    """Raises a ChatError for what would otherwise be silently ignored."""
    if request.model != MODEL:
        raise ChatError(404, f"No model {request.model!r} here; use {MODEL!r}.", param="model", code="model_not_found")
    if request.stream:
        raise ChatError(400, "This server does not stream; leave `stream` out or set it to false.", param="stream")
    if request.n not in (None, 1):
        raise ChatError(400, "Rules give one answer; leave `n` out or set it to 1.", param="n")


async def answer_chat_error(request: Request, error: Exception) -> JSONResponse:
    """A ChatError as HTTP."""
    assert isinstance(error, ChatError)
    return JSONResponse(error.body, error.status)


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that is no chat request, told in OpenAI's shape."""
    assert isinstance(error, RequestValidationError)
    faults = [(".".join(str(part) for part in item["loc"] if part != "body"), item["msg"]) for item in error.errors()]
    message = "; ".join(f"{field}: {fault}" for field, fault in faults)
    return JSONResponse(ChatError(400, message, param=faults[0][0]).body, 400)
