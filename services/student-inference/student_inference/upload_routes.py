"""A route that SGLang does not have: weights over HTTP, for an engine that shares no disk with the trainer."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from student_inference.async_engine import AsyncEngine
from student_inference.config import ModelError
from student_inference.loading import SINGLE_FILE, Shard
from student_inference.routes import json_response
from student_inference.uploads import TooLarge, Uploads
from student_inference.weight_routes import refused_update

NO_ROOT = "this engine takes no uploads; set STUDENT_INFERENCE_UPLOAD_ROOT to a directory below an allowed root"
PAYLOAD_TOO_LARGE, NOT_IMPLEMENTED, INSUFFICIENT_STORAGE = 413, 501, 507


def upload_router(engine: AsyncEngine, uploads: Uploads | None) -> APIRouter:
    """Guarded by the admin key. What is refused leaves the served weights as they are."""
    router = APIRouter()

    @router.post("/upload_weights")
    async def upload_weights(http: Request) -> Response:
        """Body: a safetensors file. Query: xxh128 of it, and the weight_version under which it will be served.

        Answers the model_path for /update_weights_from_disk, which then has nothing left to read.
        """
        checksum, version = http.query_params.get("xxh128", ""), http.query_params.get("weight_version")
        if uploads is None:
            return refused_update(NO_ROOT, NOT_IMPLEMENTED)
        try:
            directory = await uploads.receive(http.stream(), checksum)
            await engine.prepare_weights(str(directory), version, only(Shard(SINGLE_FILE, checksum)))
        except TooLarge as error:
            return refused_update(str(error), PAYLOAD_TOO_LARGE)
        except ModelError as error:
            return refused_update(str(error))
        except OSError as error:
            return refused_update(f"{uploads.root}: {error.strerror}", INSUFFICIENT_STORAGE)
        message = "Received, read and checked; the next update serves it at once."
        return json_response({"success": True, "message": message, "model_path": str(directory)})

    return router


async def only(shard: Shard) -> AsyncIterator[Shard]:
    yield shard
