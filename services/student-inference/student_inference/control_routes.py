"""SGLang's routes that control the engine: pause, cache, abort."""

from typing import Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from student_inference.async_engine import AsyncEngine
from student_inference.protocol import BadRequest
from student_inference.routes import json_response

Body = TypeVar("Body", bound=msgspec.Struct)


class Abort(msgspec.Struct, kw_only=True):
    rid: str | None = None
    abort_all: bool = False


class Pause(msgspec.Struct, kw_only=True):
    mode: Literal["abort", "retract", "in_place"] = "abort"


class Continue(msgspec.Struct, kw_only=True):
    torch_empty_cache: bool = True


async def read(http: Request, kind: type[Body]) -> Body:
    """The body as `kind`. Raises BadRequest naming the field."""
    return parsed(await http.body(), kind)


def parsed(text: bytes, kind: type[Body]) -> Body:
    """JSON as `kind`. Raises BadRequest naming the field."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error


def control_router(engine: AsyncEngine) -> APIRouter:
    """Routes guarded by the admin key."""
    router = APIRouter()

    @router.post("/pause_generation")
    async def pause_generation(http: Request) -> Response:
        await engine.pause((await read(http, Pause)).mode)
        return json_response(done("Generation paused successfully."))

    @router.post("/continue_generation")
    async def continue_generation(http: Request) -> Response:
        await read(http, Continue)
        await engine.resume()
        return json_response(done("Generation continued successfully."))

    @router.api_route("/flush_cache", methods=["GET", "POST"])
    async def flush_cache() -> Response:
        if await engine.flush():
            return Response("Cache flushed.\n", media_type="text/plain")
        return Response("Cache not flushed: requests are in flight.\n", 400, media_type="text/plain")

    @router.post("/abort_request")
    async def abort_request(http: Request) -> Response:
        body = await read(http, Abort)
        if body.abort_all or body.rid:
            await engine.abort(None if body.abort_all else body.rid)
        return Response(status_code=200)

    return router


def done(message: str) -> dict[str, Any]:
    return {"message": message, "status": "ok"}
