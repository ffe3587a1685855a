"""OpenAI's routes, for tools that speak nothing else. Training uses /generate: these give no token ids."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from student_inference.async_engine import AsyncEngine
from student_inference.chat import ChatTemplate
from student_inference.intake import Limits, requests_of
from student_inference.openai_answers import (
    CHAT,
    COMPLETION,
    Dialect,
    chunk,
    envelope,
    finish_of,
    logprobs_of,
    spoken,
    usage,
    whole,
)
from student_inference.openai_protocol import ChatBody, CompletionBody, chat_request, completion_request, parse
from student_inference.protocol import GenerateBody
from student_inference.request import Request
from student_inference.routes import (
    CLIENT_CLOSED_REQUEST,
    OPENAI_PREFIX,
    error_response,
    event_stream,
    json_response,
    until_disconnect,
)
from student_inference.text import TextCodec

# How a decoder writes the first bytes of a character whose rest has not come yet.
INCOMPLETE = "\ufffd"


def openai_router(engine: AsyncEngine, limits: Limits, text: TextCodec, template: ChatTemplate) -> APIRouter:
    """/v1/models, /v1/completions and /v1/chat/completions."""
    router = APIRouter(prefix=OPENAI_PREFIX)

    @router.get("/models")
    async def models() -> Response:
        model = {"id": engine.model_path, "object": "model", "created": 0, "owned_by": "socratic"}
        return json_response({"object": "list", "data": [{**model, "max_model_len": limits.context_length}]})

    @router.post("/completions")
    async def completions(http: HttpRequest) -> Response:
        body = parse(await http.body(), CompletionBody)
        return await answer(http, body, completion_request(body), COMPLETION)

    @router.post("/chat/completions")
    async def chat_completions(http: HttpRequest) -> Response:
        body = parse(await http.body(), ChatBody)
        return await answer(http, body, chat_request(body, template), CHAT)

    async def answer(
        http: HttpRequest, body: CompletionBody | ChatBody, asked: GenerateBody, dialect: Dialect
    ) -> Response:
        requests = requests_of(asked, limits, text)
        model = body.model or engine.model_path
        if body.stream:
            with_usage = bool((body.stream_options or {}).get("include_usage"))
            return event_stream(deltas(engine, requests, text, dialect, model, body, with_usage))
        finished = await until_disconnect(http, engine.generate(requests))
        if finished is None:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        for reason in (request.finish or {} for request in finished):
            if reason.get("status_code"):
                return error_response(http, reason["message"], reason["status_code"])
        return json_response(whole(dialect, model, finished, text, body.scored, body.echo))

    return router


async def deltas(
    engine: AsyncEngine,
    requests: list[Request],
    text: TextCodec,
    dialect: Dialect,
    model: str,
    body: CompletionBody | ChatBody,
    with_usage: bool,
) -> AsyncIterator[dict[str, Any]]:
    """Only what is new, never half a character."""
    index_of = {request.rid: index for index, request in enumerate(requests)}
    said, told = dict.fromkeys(index_of, ""), dict.fromkeys(index_of, 0)
    rid = requests[0].rid
    async for state in engine.stream(requests):
        now = spoken(state, text, body.echo)
        if state.finish is None and now.endswith(INCOMPLETE):
            continue
        delta, said[state.rid] = now[len(said[state.rid]) :], now
        logprobs = logprobs_of(dialect, state, text, told[state.rid]) if body.scored else None
        told[state.rid] = len(state.output)
        yield chunk(dialect, model, rid, index_of[state.rid], delta, finish_of(state), logprobs)
    if with_usage:
        last = envelope(dialect.chunk_object, model, rid)
        yield {**last, "choices": [], "usage": usage(requests)}
