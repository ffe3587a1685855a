"""Routes that SGLang does not have: weights over HTTP, for an engine that shares no disk with the trainer."""

import uuid

import msgspec
from fastapi import APIRouter, Request, Response

from student_inference.async_engine import AsyncEngine
from student_inference.bodies import TooSlow
from student_inference.config import ModelConfig, ModelError
from student_inference.control_routes import read
from student_inference.inflow import inflow_of
from student_inference.protocol import BadRequest
from student_inference.routes import json_response
from student_inference.uploads import TooLarge, most_bytes, promised_length, read_upload
from student_inference.weight_routes import REQUEST_TIMEOUT, STILL_IN_FLIGHT, refused_update, updated

PAYLOAD_TOO_LARGE = 413


class UploadUpdate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of /update_weights_from_upload. `receipt`: what /upload_weights answered."""

    receipt: str
    weight_version: str | None = None
    flush_cache: bool = True
    abort_all_requests: bool = False


def upload_router(engine: AsyncEngine, config: ModelConfig) -> APIRouter:
    """Guarded by the admin key. What is refused leaves the served weights as they are."""
    router = APIRouter()
    most = most_bytes(config)

    @router.post("/upload_weights")
    async def upload_weights(http: Request) -> Response:
        """Body: safetensors files, each with the 16 bytes of its XXH3-128 behind it. Nothing that is served changes."""
        answer = await received(engine, http, most)
        answer.headers["Connection"] = "close"
        return answer

    @router.post("/update_weights_from_upload")
    async def update_weights_from_upload(http: Request) -> Response:
        try:
            body = await read(http, UploadUpdate)
            await engine.serve_received(
                body.receipt, body.weight_version, flush=body.flush_cache, abort_all=body.abort_all_requests
            )
        except (ModelError, BadRequest) as error:
            return refused_update(str(error))
        except TimeoutError:
            return refused_update(STILL_IN_FLIGHT)
        return updated(engine, f"upload {body.receipt}")

    return router


async def received(engine: AsyncEngine, http: Request, most: int) -> Response:
    """Read what is uploaded; the answer has the receipt by which it can be served."""
    receipt = uuid.uuid4().hex
    try:
        with inflow_of(http, promised_length(http.headers.get("content-length"), most)) as body:
            await engine.receive_weights(lambda filling: read_upload(body, filling), receipt)
    except TooLarge as error:
        return refused_update(str(error), PAYLOAD_TOO_LARGE)
    except TooSlow as error:
        return refused_update(str(error), REQUEST_TIMEOUT)
    except ModelError as error:
        return refused_update(str(error))
    message = "Received and checked; /update_weights_from_upload serves it at once."
    return json_response({"success": True, "message": message, "receipt": receipt})
