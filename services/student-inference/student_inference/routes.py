"""SGLang's routes that generate and inform."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from student_inference import answers
from student_inference.async_engine import AsyncEngine, EngineStopped
from student_inference.info import ServerInfo
from student_inference.intake import Limits, is_batch, requests_of
from student_inference.metrics import Latencies
from student_inference.protocol import BadRequest, GenerateBody, parse_body
from student_inference.request import Request as Generation
from student_inference.request import SamplingParams
from student_inference.text import TextCodec

# SGLang's own time-out of its health check (SGLANG_HEALTH_CHECK_TIMEOUT).
HEALTH_SECONDS = 20.0
CLIENT_CLOSED_REQUEST = 499
OPENAI_PREFIX = "/v1"


def json_response(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def error_response(http: Request, message: str, status: int = 400) -> Response:
    """SGLang's two error shapes: of the OpenAI routes, and of all others."""
    if http.url.path.startswith(OPENAI_PREFIX):
        kind = "BadRequestError" if status < 500 else "InternalServerError"
        return json_response(
            {"object": "error", "message": message, "type": kind, "param": None, "code": status}, status
        )
    return json_response({"error": {"message": message}}, status)


def add_error_handlers(app: FastAPI) -> None:
    """Errors that this service names, in SGLang's shape."""

    @app.exception_handler(BadRequest)
    async def on_bad_request(http: Request, error: BadRequest) -> Response:
        return error_response(http, str(error))

    @app.exception_handler(EngineStopped)
    async def on_stopped(http: Request, error: EngineStopped) -> Response:
        return error_response(http, str(error), 503)


def generation_router(engine: AsyncEngine, limits: Limits, text: TextCodec, latencies: Latencies) -> APIRouter:
    """POST /generate."""
    router = APIRouter()

    @router.api_route("/generate", methods=["POST", "PUT"])
    async def generate(http: Request) -> Response:
        body = parse_body(await http.body())
        requests = requests_of(body, limits, text)
        if body.stream:
            return event_stream(generation_events(engine, requests, body, text))
        finished = await until_disconnect(http, engine.generate(requests))
        if finished is None:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        for request in finished:
            latencies.observe(request)
        return render(http, body, finished, text)

    return router


def event_stream(objects: AsyncIterator[Any]) -> Response:
    """Server-sent events, one for each object, ended as OpenAI's and SGLang's are."""

    async def events() -> AsyncIterator[bytes]:
        async for item in objects:
            yield b"data: " + msgspec.json.encode(item) + b"\n\n"
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def generation_events(
    engine: AsyncEngine, requests: list[Generation], body: GenerateBody, text: TextCodec
) -> AsyncIterator[dict[str, Any]]:
    """Each answer so far, whole and not only what is new, as SGLang streams; `index` tells those of a batch apart."""
    index_of = {request.rid: index for index, request in enumerate(requests)}
    scored = scored_of(body)
    samples = len(requests) // len(scored)
    try:
        async for state in engine.stream(requests):
            index = index_of[state.rid]
            item = answers.answer(state, body, text, scored[index // samples])
            yield {**item, "index": index} if is_batch(body, requests) else item
    except (BadRequest, EngineStopped) as error:
        yield {"error": {"message": str(error), "type": "invalid_request_error", "code": 400, "retryable": False}}


def scored_of(body: GenerateBody) -> list[bool]:
    return body.return_logprob if isinstance(body.return_logprob, list) else [body.return_logprob]


def render(http: Request, body: GenerateBody, finished: list[Generation], text: TextCodec) -> Response:
    """One object, or a list for a batch; a generation that the engine had to give up is an HTTP error."""
    for request in finished:
        reason = request.finish or {}
        if reason.get("status_code"):
            return error_response(http, reason["message"], reason["status_code"])
    scored = scored_of(body)
    samples = len(finished) // len(scored)
    objects = [answers.answer(request, body, text, scored[index // samples]) for index, request in enumerate(finished)]
    return json_response(objects if is_batch(body, finished) else objects[0])


async def until_disconnect(http: Request, generation: Any) -> list[Generation] | None:
    """The generation's result, or None after aborting it because the client has gone away."""
    task = asyncio.ensure_future(generation)
    # The body has been read, so the next message of the connection is its end.
    gone = asyncio.ensure_future(http.receive())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        gone.cancel()
        task.cancel()


def information_router(
    engine: AsyncEngine, info: ServerInfo, registry: CollectorRegistry, probe: SamplingParams
) -> APIRouter:
    """Health, model and server information, metrics."""
    router = APIRouter()

    @router.get("/health_generate")
    @router.get("/health")
    async def health() -> Response:
        """200 when the engine has just generated one token."""
        request = Generation(f"HEALTH_CHECK_{time.monotonic_ns()}", [0], probe)
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await engine.generate([request])
        except (TimeoutError, EngineStopped):
            return Response(status_code=503)
        return Response(status_code=200)

    @router.get("/ready")
    async def ready() -> Response:
        return Response(status_code=200 if engine.engine.alive else 503)

    @router.get("/get_model_info")
    @router.get("/model_info")
    async def model_info() -> Response:
        return json_response(info.model_info(engine))

    @router.get("/get_server_info")
    @router.get("/server_info")
    async def server_info() -> Response:
        return json_response(info.server_info(engine))

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
