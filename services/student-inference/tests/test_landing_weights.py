"""Weights that are read while a trainer still writes them: file by file, and whole or not at all."""

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import torch
import xxhash
from student_inference.config import ModelError, read_config
from student_inference.loading import Filling, Shard, fill, load_weights
from student_inference.tensor_files import PIECE_BYTES, read_file
from transformers import AutoModelForCausalLM, Qwen3Config

from .oracle import SHAPE, make_student
from .server import Server, start_server
from .test_prepared_weights import ADMIN, free_port, lines, serves, update, xxh128


@pytest.fixture(scope="module")
def server(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(student, free_port(), tmp_path_factory.mktemp("server") / "log", admin_api_key="admin")
    yield running
    running.stop()


@pytest.fixture
def sharded(student: Path, request: pytest.FixtureRequest) -> Path:
    """Other weights of the same shape, in several files below the allowed root."""
    return make_student(student.parent / request.node.name[:60], "qwen3", seed=3, max_shard_size="20KB")


def checksums_of(directory: Path) -> dict[str, str]:
    return {path.name: xxh128(path.read_bytes()) for path in sorted(directory.glob("*.safetensors"))}


def prepare(server: Server, body: bytes | Iterator[bytes]) -> httpx2.Response:
    return server.http.post("/prepare_weights", content=body, headers=ADMIN)


def test_each_file_may_appear_when_its_line_is_sent(server: Server, sharded: Path) -> None:
    """The writer moves the directory afterwards; what was read is served without reading it again."""
    checksums = checksums_of(sharded)
    assert len(checksums) > 1
    place = sharded.rename(sharded.with_name(f".unfinished-{sharded.name}"))
    aside = {name: (place / name).rename(place / f"{name}.later") for name in checksums}

    def body() -> Iterator[bytes]:
        yield lines(place, "landed", {})
        for name, checksum in checksums.items():
            aside[name].rename(place / name)
            yield json.dumps({"file": name, "xxh128": checksum}).encode() + b"\n"

    answer = prepare(server, body())
    assert answer.status_code == 200, answer.text
    place.rename(sharded)
    oracle = AutoModelForCausalLM.from_pretrained(sharded, dtype=torch.float32).save_pretrained
    copy = sharded.with_name(f"copy of {sharded.name}")
    oracle(copy)
    for name in checksums:
        spoil_unseen(sharded / name)
    assert update(server, sharded, "landed").status_code == 200
    serves(server, copy, "landed")


def spoil_unseen(path: Path) -> None:
    """Same inode, size and times, no tensor any more: whoever reads it again is found out."""
    state = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_a_trainer_that_dies_between_two_files_changes_nothing(server: Server, student: Path, sharded: Path) -> None:
    update(server, student, "a")
    first, *_ = checksums_of(sharded).items()

    def body() -> Iterator[bytes]:
        yield lines(sharded, "half", dict([first]))
        raise httpx2.ReadError("the trainer was killed")

    with pytest.raises(httpx2.ReadError):
        prepare(server, body())
    serves(server, student, "a")
    assert prepare(server, lines(sharded, "whole", checksums_of(sharded))).status_code == 200


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.splitlines(keepends=True)[0], "were named"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:-1]), "were named"),
        (lambda text: text.replace(b'"model-', b'"../model-'), "plain file name"),
        (lambda text: text + b"{\n", "truncated"),
        (lambda text: text + b'{"file": "x"}\n', "xxh128"),
        (lambda text: text.replace(b'"file"', b'"path"'), "path"),
        (lambda text: text.replace(b'"xxh128": "', b'"xxh128": "0'), "xxh128"),
        (lambda text: b"", "truncated"),
        (lambda text: text + b"x" * 2**17, "longer than"),
    ],
)
def test_lines_that_are_not_as_they_should_be_are_refused(
    server: Server, student: Path, sharded: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    update(server, student, "a")
    refused = prepare(server, spoil(lines(sharded, "x", checksums_of(sharded))))
    assert (refused.status_code, refused.json()["success"]) == (400, False), refused.text
    assert message in refused.json()["message"]
    serves(server, student, "a")


def header(data: bytes, change: Callable[[dict[str, dict[str, object]]], object]) -> bytes:
    """The file with another header of the same length."""
    (length,) = struct.unpack("<Q", data[:8])
    entries = json.loads(data[8 : 8 + length])
    change(entries)
    text = json.dumps(entries, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "bytes too early"),
        (lambda data: struct.pack("<Q", 2**60) + data[8:], "a header of"),
        (lambda data: data[:8] + b"\xff" + data[9:], "its header is"),
        (lambda data: data + b"x", "bytes instead of"),
        (lambda data: header(data, lambda all: all.pop("model.layers.0.mlp.down_proj.weight")), "offsets"),
        (lambda data: header(data, lambda all: all["model.norm.weight"].update(shape=[-32])), "shape"),
        (lambda data: header(data, lambda all: all["model.norm.weight"].update(dtype="I32")), "dtype I32"),
        (lambda data: header(data, lambda all: all["model.norm.weight"].update(data_offsets=[0, 128])), "offsets"),
    ],
)
def test_a_file_that_is_not_what_its_header_says_is_refused(
    student: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(spoil((student / "model.safetensors").read_bytes()))
    filling = Filling(read_config(student), torch.float32)
    with pytest.raises(ModelError, match=message):
        read_file(path, filling.place)


@pytest.mark.parametrize("place", [0, 9, -1])
def test_one_bit_anywhere_is_found(student: Path, tmp_path: Path, place: int) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((student / name).read_bytes())
    promised = Shard("model.safetensors", xxhash.xxh3_128_hexdigest((student / "model.safetensors").read_bytes()))
    fill(Filling(read_config(student), torch.float32), tmp_path, [promised])
    data = bytearray((student / "model.safetensors").read_bytes())
    data[place] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError):
        fill(Filling(read_config(student), torch.float32), tmp_path, [promised])


@pytest.mark.parametrize(
    ("stored", "served"), [("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "float32")]
)
def test_another_type_is_converted_as_torch_does(tmp_path: Path, stored: str, served: str) -> None:
    """Also tensors of more than one piece."""
    directory = tmp_path / "wide"
    torch.manual_seed(4)
    config = Qwen3Config(**{**SHAPE, "vocab_size": PIECE_BYTES // 64 + 5}, head_dim=12, tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, stored))
    model.save_pretrained(directory)
    weights = load_weights(directory, read_config(directory), getattr(torch, served))
    assert torch.equal(weights.embedding, model.get_input_embeddings().weight.to(getattr(torch, served)))
    assert torch.equal(weights.layers[1].down, model.model.layers[1].mlp.down_proj.weight.to(getattr(torch, served)))
