"""SGLang's route that swaps weights, and one that reads and checks them beforehand."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
import structlog
from fastapi import APIRouter, Request, Response

from student_inference.async_engine import DRAIN_SECONDS, AsyncEngine
from student_inference.bodies import TooSlow, lines_of
from student_inference.config import ModelError
from student_inference.control_routes import parsed, read
from student_inference.loading import Shard
from student_inference.protocol import BadRequest
from student_inference.routes import json_response

log = structlog.get_logger()
REQUEST_TIMEOUT = 408
STILL_IN_FLIGHT = f"requests in flight did not end in {DRAIN_SECONDS:.0f} s; the old weights stay"


class DiskUpdate(msgspec.Struct, kw_only=True):
    """Body of /update_weights_from_disk; other keys of SGLang's are ignored, as they have no meaning on a CPU."""

    model_path: str
    weight_version: str | None = None
    flush_cache: bool = True
    abort_all_requests: bool = False
    load_format: Literal["auto", "safetensors"] | None = None
    manifest: None = None


class Preparation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """First line of the body of /prepare_weights, which SGLang does not have."""

    model_path: str
    weight_version: str | None = None


class Landed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Each further line: a shard that is whole now. `xxh128`: its XXH3-128."""

    file: str
    xxh128: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]


def weight_router(engine: AsyncEngine) -> APIRouter:
    """Guarded by the admin key."""
    router = APIRouter()

    @router.post("/update_weights_from_disk")
    async def update_weights_from_disk(http: Request) -> Response:
        try:
            body = await read(http, DiskUpdate)
            await engine.update_weights(
                body.model_path, body.weight_version, flush=body.flush_cache, abort_all=body.abort_all_requests
            )
        except (ModelError, BadRequest) as error:
            return refused_update(str(error))
        except TimeoutError:
            return refused_update(STILL_IN_FLIGHT)
        return updated(engine, body.model_path)

    @router.post("/prepare_weights")
    async def prepare_weights(http: Request) -> Response:
        """The body comes line by line while a trainer still writes, and each shard is read when its line is there."""
        lines = lines_of(http.stream())
        try:
            body = parsed(await anext(lines, b""), Preparation)
            await engine.prepare_weights(body.model_path, body.weight_version, landed_in(lines))
        except TooSlow as error:
            return refused_update(str(error), REQUEST_TIMEOUT)
        except (ModelError, BadRequest) as error:
            return refused_update(str(error))
        return json_response({"success": True, "message": "Read and checked; the next update serves it at once."})

    return router


async def landed_in(lines: AsyncIterator[bytes]) -> AsyncIterator[Shard]:
    """Raises BadRequest for a line that names no shard."""
    async for line in lines:
        landed = parsed(line, Landed)
        yield Shard(landed.file, landed.xxh128)


def updated(engine: AsyncEngine, source: str) -> Response:
    version = engine.engine.version
    log.info("weights_updated", weight_version=version, source=source)
    message = f"Succeeded to update model weights. Weight version updated to {version}."
    return json_response({"success": True, "message": message, "num_paused_requests": 0})


def refused_update(message: str, status: int = 400) -> Response:
    log.error("weights_refused", reason=message)
    return json_response({"success": False, "message": message, "num_paused_requests": 0}, status)
