"""What the engine refuses beforehand, and what it does not wait for for ever."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from starlette.datastructures import Headers
from student_inference import async_engine, bodies, routes
from student_inference.app import blocks_of, create_app
from student_inference.auth import BearerKeys
from student_inference.config import ModelError, read_config
from student_inference.intake import Limits, requests_of
from student_inference.protocol import BadRequest, parse_body
from student_inference.settings import InferenceSettings
from student_inference.text import TextCodec

from .server import STOP_SECONDS

Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


def settings(student: Path, **changes: Any) -> InferenceSettings:
    return InferenceSettings(model_path=student, **{"max_total_tokens": 16384, **changes})


@pytest.fixture
def serve(student: Path) -> Serve:
    """`async with serve(setting=value) as http`: the service in this process."""

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(settings(student, **changes))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://engine", timeout=STOP_SECONDS) as http:
                yield http

    return started


def machine_bytes() -> int:
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return int(total.split()[1]) * 1024


@pytest.mark.parametrize(("dtype", "value_bytes"), [("float32", 4), ("bfloat16", 2)])
def test_a_cache_that_the_memory_cannot_hold_is_refused_at_the_start(
    student: Path, dtype: str, value_bytes: int
) -> None:
    """Two sets of weights; keys and values of 3 layers of 2 heads of 12 channels."""
    weights = 2 * (student / "model.safetensors").stat().st_size * value_bytes // 4
    most = (machine_bytes() - weights) // (2 * 3 * 2 * 12 * value_bytes)
    config = read_config(student)
    assert blocks_of(settings(student, dtype=dtype, max_total_tokens=most * 99 // 100), config) > 0
    with pytest.raises(ModelError, match=r"max_total_tokens: .* GiB beside .* choose at most (\d+)") as error:
        create_app(settings(student, dtype=dtype, max_total_tokens=most * 101 // 100))
    advised = int(str(error.value).rsplit(" ", 1)[1])
    assert advised == pytest.approx(most, rel=0.001)
    assert blocks_of(settings(student, dtype=dtype, max_total_tokens=advised), config) > 0


def test_a_model_that_the_memory_cannot_hold_twice_is_refused(student: Path) -> None:
    """One set is served while the next is read: embeddings of 32 channels that fill the memory, or half of it."""
    config, vocab_size = read_config(student), machine_bytes() // (2 * 32 * 4)
    assert blocks_of(settings(student), replace(config, vocab_size=vocab_size // 2)) > 0
    with pytest.raises(ModelError, match=r"two sets of weights.* choose at most 0"):
        blocks_of(settings(student), replace(config, vocab_size=vocab_size))


def test_room_for_packed_copies_is_counted(student: Path) -> None:
    """Layers of three million numbers, all of which are packed: what fits twice need not fit three times."""
    wide = replace(read_config(student), hidden_size=1000, intermediate_size=1000)
    layers = machine_bytes() * 2 // 5 // (3_000_000 * 4)
    few = settings(student, max_total_tokens=64)
    assert blocks_of(few, replace(wide, num_layers=layers * 3 // 4)) > 0
    with pytest.raises(ModelError, match="packed copies"):
        blocks_of(few, replace(wide, num_layers=layers))


def test_a_context_beyond_the_models_own_is_refused(student: Path) -> None:
    with pytest.raises(ModelError, match="max_position_embeddings 256"):
        create_app(settings(student, context_length=257))


def test_a_request_that_the_cache_could_never_hold_is_refused(student: Path) -> None:
    limits = Limits(vocab_size=61, context_length=256, max_total_tokens=64, eos_ids=frozenset())

    def ask(new_tokens: int) -> None:
        body = {"input_ids": [5] * 30, "sampling_params": {"max_new_tokens": new_tokens}}
        requests_of(parse_body(json.dumps(body).encode()), limits, TextCodec(student))

    ask(34)
    with pytest.raises(BadRequest, match="max_total_tokens 64"):
        ask(35)


HARMLESS = {
    *("/generate", "/v1/completions", "/v1/chat/completions", "/v1/models"),
    *("/model_info", "/get_model_info", "/server_info", "/get_server_info"),
    *("/health", "/health_generate", "/ready", "/metrics"),
}


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_every_route_that_changes_the_engine_needs_the_admin_key(student: Path) -> None:
    """A route that is in neither list is a mistake: SGLang's are named here, and whoever adds one must decide."""
    paths = set(create_app(settings(student)).openapi()["paths"])
    keys = BearerKeys(lambda *_: None, "normal", "admin")  # type: ignore[arg-type, return-value]
    guarded = {path for path in paths if not keys.admits(path, Headers({"Authorization": "Bearer normal"}))}
    assert len(guarded) == 15
    assert guarded == paths - HARMLESS


def test_the_number_of_threads_is_a_setting(student: Path) -> None:
    try:
        create_app(settings(student, threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


async def test_how_many_requests_run_at_once_is_a_setting(serve: Serve) -> None:
    sampling = {"max_new_tokens": 240, "ignore_eos": True}
    async with serve(max_running_requests=1) as http:
        body = {"input_ids": [[token, 3] for token in range(2, 5)], "sampling_params": sampling}
        running = asyncio.create_task(http.post("/generate", json=body))
        metrics = ""
        while "num_queue_reqs 2.0" not in metrics or "num_running_reqs 1.0" not in metrics:
            assert not running.done()
            await asyncio.sleep(0.001)
            metrics = (await http.get("/metrics")).text
        assert len((await running).json()) == 3


async def test_an_update_gives_up_on_requests_that_do_not_end(
    serve: Serve, student: Path, other_student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_engine, "DRAIN_SECONDS", 0.0)
    sampling = {"max_new_tokens": 240, "ignore_eos": True}
    async with serve() as http:
        body = {"input_ids": [[token, 3] for token in range(2, 34)], "sampling_params": sampling}
        running = asyncio.create_task(http.post("/generate", json=body))
        while "num_running_reqs 32.0" not in (await http.get("/metrics")).text:
            assert not running.done()
            await asyncio.sleep(0.001)
        place = {"model_path": str(other_student), "weight_version": "new"}
        refused = await http.post("/update_weights_from_disk", json=place)
        assert (refused.status_code, refused.json()["success"]) == (400, False)
        assert "the old weights stay" in refused.json()["message"]
        versions = {answer["meta_info"]["weight_version"] for answer in (await running).json()}
        assert versions == {"default"}
        assert (await http.post("/generate", json={"input_ids": [5]})).json()["meta_info"][
            "weight_version"
        ] == "default"


async def test_health_fails_while_nothing_is_generated(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "HEALTH_SECONDS", 0.1)
    async with serve() as http:
        await http.post("/pause_generation", json={"mode": "in_place"})
        assert (await http.get("/health")).status_code == 503
        await http.post("/continue_generation", json={})
        monkeypatch.undo()
        assert (await http.get("/health")).status_code == 200


async def test_a_sender_that_falls_silent_is_given_up(
    serve: Serve, student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SILENCE_SECONDS", 0.1)

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps({"model_path": str(student), "weight_version": "x"}).encode() + b"\n"
        await asyncio.sleep(STOP_SECONDS)

    async with serve() as http:
        refused = await http.post("/prepare_weights", content=body())
        assert refused.status_code == 400
        assert "nothing of the body arrived" in refused.json()["message"]
