"""Weights that are read from a directory and checked before the swap."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import xxhash

from .oracle import chosen, make_student, near, oracle_logprobs
from .server import Server, start_server

PROMPT = [5, 9, 13, 2, 40, 41, 42, 43, 44, 45, 7, 8]
GREEDY = {"max_new_tokens": 6, "temperature": 0.0, "ignore_eos": True}
ADMIN = {"Authorization": "Bearer admin"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    running = start_server(student, free_port(), log, admin_api_key="admin")
    yield running
    running.stop()


def post(server: Server, path: str, **body: Any) -> httpx2.Response:
    return server.http.post(path, json=body, headers=ADMIN)


def update(server: Server, directory: Path | str, version: str) -> httpx2.Response:
    return post(server, "/update_weights_from_disk", model_path=str(directory), weight_version=version)


def lines(directory: Path | str, version: str, checksums: dict[str, str]) -> bytes:
    """The body of /prepare_weights."""
    head = {"model_path": str(directory), "weight_version": version}
    shards = [{"file": name, "xxh128": checksum} for name, checksum in checksums.items()]
    return b"".join(json.dumps(line).encode() + b"\n" for line in (head, *shards))


def prepare(server: Server, directory: Path, version: str, checksum: str | None = None) -> httpx2.Response:
    checksums = {"model.safetensors": checksum or checksum_of(directory)}
    return server.http.post("/prepare_weights", content=lines(directory, version, checksums), headers=ADMIN)


def checksum_of(directory: Path) -> str:
    return xxh128((directory / "model.safetensors").read_bytes())


def xxh128(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def serves(server: Server, directory: Path, version: str) -> None:
    """The engine's log-probabilities of its own greedy answer are those of transformers with this directory."""
    answer = server.generate(input_ids=PROMPT, sampling_params=GREEDY, return_logprob=True)
    meta = answer["meta_info"]
    assert meta["weight_versions"] == [{"version": version, "start": 0, "end": 6}]
    expected = chosen(oracle_logprobs(directory, PROMPT + answer["output_ids"]), PROMPT, answer["output_ids"])
    assert near([triple[0] for triple in meta["output_token_logprobs"]], expected)


def test_what_was_prepared_is_served(server: Server, student: Path, other_student: Path) -> None:
    update(server, student, "a")
    assert prepare(server, other_student, "b").json()["success"] is True
    serves(server, student, "a")
    assert update(server, other_student, "b").status_code == 200
    serves(server, other_student, "b")


def test_swaps_that_reuse_memory_stay_exact(server: Server, student: Path, other_student: Path, tmp_path: Path) -> None:
    """Every set is read over the one before the last, prepared or not, and after one that was refused."""
    third = make_student(student.parent / "third", "qwen3", seed=2)
    for round_number, directory in enumerate((student, other_student, third, student)):
        version = f"round-{round_number}"
        prepare(server, third, "never served")
        assert prepare(server, directory, version, "0" * 32).status_code == 400
        if round_number % 2:
            prepare(server, directory, version)
        assert update(server, directory, version).status_code == 200
        serves(server, directory, version)


def test_a_directory_that_was_replaced_after_the_preparation_is_read_anew(
    server: Server, student: Path, other_student: Path
) -> None:
    moving = Path(shutil.copytree(student, student.parent / "moving"))
    prepare(server, moving, "m")
    shutil.rmtree(moving)
    shutil.copytree(other_student, moving)
    assert update(server, moving, "m").status_code == 200
    serves(server, other_student, "m")


@pytest.mark.parametrize("spoil", ["checksum", "unnamed", "cut off"])
def test_a_preparation_that_fails_changes_nothing(
    server: Server, student: Path, other_student: Path, tmp_path: Path, spoil: str
) -> None:
    update(server, student, "a")
    bad = Path(shutil.copytree(other_student, student.parent / f"bad {spoil}"))
    checksums = {"model.safetensors": checksum_of(bad)}
    if spoil == "checksum":
        data = bytearray((bad / "model.safetensors").read_bytes())
        data[-2] ^= 1
        (bad / "model.safetensors").write_bytes(data)
    if spoil == "unnamed":
        checksums = {}
    if spoil == "cut off":
        (bad / "model.safetensors").write_bytes((bad / "model.safetensors").read_bytes()[:-9])
    refused = server.http.post("/prepare_weights", content=lines(bad, "x", checksums), headers=ADMIN)
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    serves(server, student, "a")


def test_preparing_needs_the_admin_key(server: Server) -> None:
    assert server.http.post("/prepare_weights", json={}).status_code == 401


def test_every_start_has_an_id_of_its_own(server: Server, student: Path, tmp_path: Path) -> None:
    first = server.http.get("/model_info").json()["instance_id"]
    other = start_server(student, free_port(), tmp_path / "log")
    assert other.http.get("/model_info").json()["instance_id"] != first
    assert server.http.get("/model_info").json()["instance_id"] == first
    other.stop()
