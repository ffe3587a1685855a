"""Weights that are sent over HTTP: read from the connection, whole or not at all, and served only by their receipt."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
import xxhash
from safetensors.torch import load_file, save
from student_inference.config import ModelError
from student_inference.inflow import Inflow
from torch import Tensor

from .oracle import make_student
from .server import Server, start_server
from .test_prepared_weights import ADMIN, free_port, post, serves, update

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def server(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(student, free_port(), tmp_path_factory.mktemp("server") / "log", admin_api_key="admin")
    yield running
    running.stop()


def followed_by_digest(file: bytes) -> bytes:
    return file + xxhash.xxh3_128_digest(file)


def body_of(directory: Path) -> bytes:
    return b"".join(followed_by_digest(path.read_bytes()) for path in sorted(directory.glob("*.safetensors")))


def of_tensors(tensors: dict[str, Tensor]) -> bytes:
    return followed_by_digest(save(tensors))


def upload(server: Server, body: Any) -> httpx2.Response:
    return server.http.post("/upload_weights", content=body, headers=ADMIN)


def serve_upload(server: Server, receipt: str, version: str) -> httpx2.Response:
    return post(server, "/update_weights_from_upload", receipt=receipt, weight_version=version)


def test_uploaded_weights_are_served_by_their_receipt(server: Server, student: Path, other_student: Path) -> None:
    update(server, student, "a")
    answer = upload(server, body_of(other_student))
    assert answer.status_code == 200, answer.text
    serves(server, student, "a")
    assert serve_upload(server, answer.json()["receipt"], "up").status_code == 200
    serves(server, other_student, "up")


def test_several_files_come_one_after_the_other(server: Server, student: Path) -> None:
    sharded = make_student(student.parent / "in several files", "qwen3", seed=5, max_shard_size="20KB")
    assert len(list(sharded.glob("*.safetensors"))) > 1
    assert serve_upload(server, upload(server, body_of(sharded)).json()["receipt"], "s").status_code == 200
    serves(server, sharded, "s")


def test_only_the_newest_upload_waits_and_only_once(server: Server, student: Path, other_student: Path) -> None:
    update(server, student, "a")
    older, newer = (upload(server, body_of(other_student)).json()["receipt"] for _ in range(2))
    refused = serve_upload(server, older, "older")
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert "send the weights again" in refused.json()["message"]
    serves(server, student, "a")
    assert serve_upload(server, newer, "newer").status_code == 200
    assert serve_upload(server, newer, "twice").status_code == 400
    serves(server, other_student, "newer")


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def with_nan(directory: Path) -> bytes:
    tensors = load_file(directory / "model.safetensors")
    tensors["model.norm.weight"][3] = float("nan")
    return of_tensors(tensors)


def in_another_shape(directory: Path) -> bytes:
    tensors = load_file(directory / "model.safetensors")
    return of_tensors(tensors | {"model.norm.weight": torch.ones(7)})


def without_a_tensor(directory: Path) -> bytes:
    tensors = load_file(directory / "model.safetensors")
    del tensors["model.norm.weight"]
    return of_tensors(tensors)


def with_one_twice(directory: Path) -> bytes:
    return body_of(directory) + of_tensors({"model.norm.weight": torch.ones(32)})


def promising_more_than_it_holds(directory: Path) -> bytes:
    text = json.dumps({"lm_head.weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda it: flipped(body_of(it), -30), "XXH3-128"),  # one bit of a weight
        (lambda it: flipped(body_of(it), -1), "XXH3-128"),  # one bit of the digest
        (with_nan, "NaN"),
        (in_another_shape, "shape [7]"),
        (without_a_tensor, "missing"),
        (with_one_twice, "unknown tensor"),
        (lambda it: body_of(it)[:-17], "bytes instead of"),
        (lambda it: body_of(it)[:-16], "bytes instead of"),
        (lambda it: body_of(it) + b"more", "too early"),
        (promising_more_than_it_holds, "bytes instead of"),
        (lambda it: b"no safetensors file, but long enough to be read", "a header of"),
        (lambda it: b"", "missing"),
    ],
)
def test_a_body_that_is_not_as_it_should_be_is_refused(
    server: Server, student: Path, other_student: Path, spoilt: Callable[[Path], bytes], message: str
) -> None:
    update(server, student, "a")
    good = upload(server, body_of(other_student)).json()["receipt"]
    refused = upload(server, spoilt(other_student))
    assert (refused.status_code, refused.json()["success"]) == (400, False), refused.text
    assert message in refused.json()["message"]
    assert serve_upload(server, good, "good").status_code == 400, "its memory was read over"
    serves(server, student, "a")


def test_more_than_the_model_can_fill_is_refused_before_it_is_sent(server: Server, student: Path) -> None:
    update(server, student, "a")
    with opened(server, length=2**25) as connection:
        assert answer_of(connection).startswith(b"HTTP/1.1 413 ")
    serves(server, student, "a")


def test_a_sender_that_falls_silent_is_given_up_and_one_that_ends_too_early_is_found_out() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body, room = Inflow(b"ab", ours, left=9, seconds=PATIENCE_SECONDS), memoryview(bytearray(100))
        ours.settimeout(0.05)
        theirs.sendall(b"cd")
        assert [body.readinto(room), body.readinto(room)] == [2, 2]
        with pytest.raises(ModelError, match="nothing of the body arrived"):
            body.readinto(room)
        theirs.close()
        with pytest.raises(ModelError, match="went away"):
            body.readinto(room)


def test_nothing_behind_the_body_is_read() -> None:
    """There begins another request."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"cdPOST")
        body, room = Inflow(b"ab", ours, left=4, seconds=PATIENCE_SECONDS), memoryview(bytearray(100))
        assert [body.readinto(room) for _ in range(3)] == [2, 2, 0]
        assert ours.recv(4) == b"POST"


def test_a_body_without_a_length_is_refused(server: Server) -> None:
    refused = upload(server, iter([b"x"]))
    assert refused.status_code == 400
    assert "Content-Length" in refused.json()["message"]


def test_an_extra_head_of_a_tied_model_is_read_and_not_kept(server: Server, other_student: Path) -> None:
    tensors = load_file(other_student / "model.safetensors")
    body = of_tensors(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()})
    assert serve_upload(server, upload(server, body).json()["receipt"], "tied").status_code == 200
    serves(server, other_student, "tied")


def test_a_request_that_is_sent_right_behind_an_upload_does_not_spoil_it(server: Server, other_student: Path) -> None:
    body = body_of(other_student)
    with opened(server, len(body)) as connection:
        connection.sendall(body + b"POST /upload_weights HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


def test_a_trainer_that_dies_in_mid_upload_changes_nothing(server: Server, student: Path, other_student: Path) -> None:
    update(server, student, "a")
    body = body_of(other_student)
    with opened(server, len(body)) as connection:
        connection.sendall(body[: len(body) // 2])
    serves(server, student, "a")
    assert upload(server, body).status_code == 200, "the engine waits for the dead one no longer"


def test_the_key_is_asked_for_before_the_body(server: Server) -> None:
    with opened(server, 2**20, key="other") as connection:
        assert answer_of(connection).startswith(b"HTTP/1.1 401 ")
    assert server.http.post("/update_weights_from_upload", json={"receipt": "x"}).status_code == 401


def opened(server: Server, length: int, key: str = "admin") -> socket.socket:
    """A connection on which the head of an upload has been sent."""
    connection = socket.create_connection(("127.0.0.1", server.http.base_url.port), PATIENCE_SECONDS)
    lines = ("POST /upload_weights HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", f"Content-Length: {length}")
    connection.sendall("\r\n".join((*lines, "", "")).encode())
    return connection


def answer_of(connection: socket.socket) -> bytes:
    return connection.recv(2**16)
