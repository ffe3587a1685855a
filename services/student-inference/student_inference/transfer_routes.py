"""SGLang's routes for weights that a trainer sends without a disk in between."""

import asyncio
import base64
from collections.abc import Awaitable
from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response

from student_inference.async_engine import AsyncEngine
from student_inference.config import ModelError
from student_inference.control_routes import read
from student_inference.protocol import BadRequest
from student_inference.routes import json_response
from student_inference.transfer import Transfer
from student_inference.weight_group import TensorSpec
from student_inference.weight_routes import refused_update

DEFAULT_GROUP = "weight_update_group"
PICKLE_REFUSED = (
    "load_format: without 'safetensors' the tensors are pickled objects, which this engine never reads; send "
    "safetensors files, or use /update_weights_from_disk or /update_weights_from_distributed"
)
RECEIVED = "Received the tensors; they are served after end_weight_update."


class Join(msgspec.Struct, kw_only=True):
    master_address: str
    master_port: int
    rank_offset: int
    world_size: int
    group_name: str = DEFAULT_GROUP
    backend: Literal["gloo"]


class Leave(msgspec.Struct, kw_only=True):
    group_name: str = DEFAULT_GROUP


class Begin(msgspec.Struct, kw_only=True):
    selector: Literal["target", "all"] = "all"


class Receive(msgspec.Struct, kw_only=True):
    names: list[str]
    dtypes: list[str]
    shapes: list[list[int]]
    group_name: str = DEFAULT_GROUP
    flush_cache: bool = True
    weight_version: str | None = None
    load_format: None = None

    def specs(self) -> list[TensorSpec]:
        """Raises BadRequest when the lists differ in length."""
        if not len(self.names) == len(self.dtypes) == len(self.shapes):
            raise BadRequest("names, dtypes and shapes must have the same length")
        if any(size < 0 for shape in self.shapes for size in shape):
            raise BadRequest("shapes: sizes must be at least 0")
        triples = zip(self.names, self.dtypes, self.shapes, strict=True)
        return [TensorSpec(name, dtype, tuple(shape)) for name, dtype, shape in triples]


class Unpack(msgspec.Struct, kw_only=True):
    """Each of the tensors' files as base64. SGLang's own formats are pickles."""

    serialized_named_tensors: list[str]
    load_format: str | None = None
    flush_cache: bool = True
    weight_version: str | None = None

    def files(self) -> list[bytes]:
        """Raises BadRequest for what is no base64."""
        try:
            return [base64.b64decode(file, validate=True) for file in self.serialized_named_tensors]
        except ValueError as error:
            raise BadRequest(f"serialized_named_tensors: {error}; give each safetensors file as base64") from error


class Rename(msgspec.Struct, kw_only=True):
    new_version: str
    abort_all_requests: bool = True


class Nothing(msgspec.Struct):
    pass


def transfer_router(engine: AsyncEngine) -> APIRouter:
    """Guarded by the admin key. What is refused leaves the old weights."""
    router = APIRouter()
    transfer = Transfer(engine)
    add_group_routes(router, transfer)
    add_tensor_routes(router, transfer)

    @router.post("/begin_weight_update")
    async def begin_weight_update(http: Request) -> Response:
        await read(http, Begin)
        transfer.begin()
        return json_response({"success": True, "message": "Success"})

    @router.post("/end_weight_update")
    async def end_weight_update(http: Request) -> Response:
        await read(http, Nothing)
        return await outcome(transfer.end(), "Success")

    @router.post("/update_weight_version")
    async def update_weight_version(http: Request) -> Response:
        body = await read(http, Rename)
        await engine.rename_weights(body.new_version, body.abort_all_requests)
        message = f"Weight version updated to {body.new_version}"
        return json_response({"success": True, "message": message, "new_version": body.new_version})

    return router


def add_group_routes(router: APIRouter, transfer: Transfer) -> None:
    """Joining the trainer's process group, and leaving it."""

    @router.post("/init_weights_update_group")
    async def init_weights_update_group(http: Request) -> Response:
        body = await read(http, Join)
        place = (body.group_name, body.master_address, body.master_port, body.rank_offset, body.world_size)
        return await outcome(asyncio.to_thread(transfer.join, *place), "Succeeded to initialize the group.")

    @router.post("/destroy_weights_update_group")
    async def destroy_weights_update_group(http: Request) -> Response:
        body = await read(http, Leave)
        return await outcome(asyncio.to_thread(transfer.leave, body.group_name), "Succeeded to destroy the group.")


def add_tensor_routes(router: APIRouter, transfer: Transfer) -> None:
    """Tensors of an update, over a group or in the request itself."""

    @router.post("/update_weights_from_distributed")
    async def update_weights_from_distributed(http: Request) -> Response:
        body = await read(http, Receive)
        received = transfer.receive(body.group_name, body.specs(), body.weight_version, body.flush_cache)
        return await outcome(received, RECEIVED)

    @router.post("/update_weights_from_tensor")
    async def update_weights_from_tensor(http: Request) -> Response:
        body = await read(http, Unpack)
        if body.load_format != "safetensors":
            return json_response({"success": False, "message": PICKLE_REFUSED}, 501)
        unpacked = transfer.unpack(body.files(), body.weight_version, body.flush_cache)
        return await outcome(unpacked, RECEIVED)


async def outcome(action: Awaitable[None], message: str) -> Response:
    try:
        await action
    except (ModelError, TimeoutError) as error:
        return refused_update(str(error) or "requests in flight did not end in time; the old weights stay")
    return json_response({"success": True, "message": message})
