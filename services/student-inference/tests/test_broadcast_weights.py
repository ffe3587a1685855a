"""Weights that a trainer broadcasts: straight to where they will be served, and whole or not at all."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from student_inference.config import ModelError, read_config
from student_inference.loading import BrokenOff, Filling, load_weights
from student_inference.weight_group import TensorSpec, WeightGroup
from student_inference.weight_sets import Staged, WeightSets
from student_inference.weights import Weights
from torch import Tensor
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore

from .test_prepared_weights import free_port

PATIENCE = timedelta(seconds=60)


@dataclass
class Pair:
    """The trainer's side of a group, and the engine's."""

    trainer: Any
    engine: WeightGroup
    beside: ThreadPoolExecutor

    def receive(self, tensors: dict[str, Tensor], filling: Filling) -> "Future[None]":
        return self.beside.submit(self.engine.receive, specs_of(tensors), filling)

    def send(self, tensors: dict[str, Tensor]) -> None:
        for tensor in tensors.values():
            self.trainer.broadcast(tensor, 0).wait(PATIENCE)


def specs_of(tensors: dict[str, Tensor]) -> list[TensorSpec]:
    return [TensorSpec(name, str(tensor.dtype), tuple(tensor.shape)) for name, tensor in tensors.items()]


@contextmanager
def met() -> Iterator[Pair]:
    port = free_port()
    store = TCPStore("127.0.0.1", port, 2, True, PATIENCE, wait_for_workers=False)
    with ThreadPoolExecutor(1) as beside:
        joining = beside.submit(WeightGroup, "127.0.0.1", port, 1, 2, "pair")
        named = PrefixStore("cpu/", PrefixStore("pair/", PrefixStore("pair", store)))
        trainer = ProcessGroupGloo(named, 0, 2, PATIENCE)
        yield Pair(trainer, joining.result(PATIENCE.total_seconds()), beside)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with met() as opened:
        yield opened


def tensors_of(weights: Weights) -> dict[str, Tensor]:
    """As they are served, by where they are."""
    parts = {"embedding": weights.embedding, "norm": weights.norm, "head": weights.head}
    for number, layer in enumerate(weights.layers):
        parts |= {f"{number}.{field.name}": getattr(layer, field.name) for field in fields(layer)}
    return {name: tensor for name, tensor in parts.items() if tensor is not None}


@pytest.mark.parametrize(
    ("sent", "served"),
    [("float32", "float32"), ("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "float16")],
)
def test_what_is_broadcast_is_what_a_file_gives(
    pair: Pair, any_student: Path, tmp_path: Path, sent: str, served: str
) -> None:
    """In every family, also where a tensor is turned into another order or type."""
    config, dtype = read_config(any_student), getattr(torch, served)
    tensors = {name: tensor.to(getattr(torch, sent)) for name, tensor in stored(any_student).items()}
    filling = Filling(config, dtype)
    receiving = pair.receive(tensors, filling)
    pair.send(tensors)
    receiving.result(PATIENCE.total_seconds())
    filling.check_complete()
    shutil.copy(any_student / "config.json", tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    found, expected = tensors_of(filling.weights), tensors_of(load_weights(tmp_path, config, dtype))
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def stored(directory: Path) -> dict[str, Tensor]:
    return {name: tensor for file in directory.glob("*.safetensors") for name, tensor in load_file(file).items()}


def test_one_that_is_not_finite_is_told_of_when_the_trainer_is_rid_of_all(pair: Pair, student: Path) -> None:
    tensors = stored(student)
    next(iter(tensors.values())).view(-1)[0] = float("inf")
    receiving = pair.receive(tensors, Filling(read_config(student), torch.float32))
    pair.send(tensors)
    with pytest.raises(ModelError, match="NaN or infinite"):
        receiving.result(PATIENCE.total_seconds())


def test_one_that_comes_twice_is_refused_before_any_travels(pair: Pair, student: Path) -> None:
    tensors = stored(student)
    filling = Filling(read_config(student), torch.float32)
    norm = {"model.norm.weight": tensors["model.norm.weight"]}
    receiving = pair.receive(norm, filling)
    pair.send(norm)
    receiving.result(PATIENCE.total_seconds())
    with pytest.raises(ModelError, match=r"model\.norm\.weight"):
        pair.receive(tensors, filling).result(PATIENCE.total_seconds())
    afresh = Filling(read_config(student), torch.float32)
    receiving = pair.receive(tensors, afresh)
    pair.send(tensors)
    receiving.result(PATIENCE.total_seconds())
    assert torch.equal(afresh.weights.embedding, tensors["model.embed_tokens.weight"])


def test_memory_to_which_a_lost_trainer_may_still_write_is_not_used_again(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends one tensor and then no more."""
    monkeypatch.setattr("student_inference.weight_group.MEETING_TIME", timedelta(seconds=2))
    sets = WeightSets(read_config(student), torch.float32)
    first = sets.read(lambda filling: None)
    sets.retire(first.weights)
    tensors = stored(student)
    name = next(iter(tensors))
    with met() as pair:
        receiving = pair.beside.submit(sets.read, lambda filling: pair.engine.receive(specs_of(tensors), filling))
        pair.send({name: tensors[name]})
        with pytest.raises(BrokenOff, match="broke off"):
            receiving.result(PATIENCE.total_seconds())
    assert sets.read(lambda filling: None).weights is not first.weights


def test_memory_of_an_update_that_was_refused_is_used_again(student: Path) -> None:
    sets = WeightSets(read_config(student), torch.float32)
    first = sets.read(lambda filling: None)
    sets.retire(first.weights)
    with pytest.raises(ModelError):
        sets.read(lambda filling: filling.check_complete())
    assert sets.read(lambda filling: None).weights is first.weights


def test_what_was_received_goes_on_until_other_weights_are_read(student: Path) -> None:
    sets = WeightSets(read_config(student), torch.float32)
    (first, one), *rest = stored(student).items()
    sets.stage(Staged(sets.read(lambda filling: filling.put(first, one), "a"), receipt="a"))
    with pytest.raises(ModelError, match=f"{len(rest)} tensors are missing"):
        sets.take_received("a")
    filling = sets.read(lambda filling: [filling.put(name, tensor) for name, tensor in rest], "a")
    sets.stage(Staged(filling, receipt="a"))
    with pytest.raises(ModelError, match="send the weights again"):
        sets.take_received("b")
    sets.stage(Staged(sets.read(lambda filling: filling.put(first, one), "b"), receipt="b"))
    with pytest.raises(ModelError, match="send the weights again"):
        sets.take_received("a")
