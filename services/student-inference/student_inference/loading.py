"""Weights of a student from a Hugging Face directory, or tensor by tensor: checked whole before they are given out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from student_inference.config import ModelConfig, ModelError, read_config, read_json
from student_inference.tensor_files import Stamp, check_finite, read_file, stamp_of
from student_inference.weights import TIED_HEAD, Place, Weights, empty_weights, places_of, tensor_shapes

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


class BrokenOff(ModelError):
    """Somebody may still write to a set that was being filled: its memory must not be used again."""


@dataclass(frozen=True)
class Shard:
    """One file of a checkpoint. `checksum`: its XXH3-128 in hexadecimal; None: it is not checked."""

    name: str
    checksum: str | None = None


@dataclass
class Filling:
    """A set of weights that is being filled. `into`: tensors that nobody uses any more, overwritten."""

    config: ModelConfig
    dtype: torch.dtype
    into: Weights | None = None
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = self.into or empty_weights(self.config, self.dtype)
        self.missing = dict(tensor_shapes(self.config))
        self.places = dict(places_of(self.weights, self.config))

    def place(self, name: str, shape: tuple[int, ...]) -> Place | None:
        """Where the next tensor goes; None for one that is not needed. Raises ModelError for any other."""
        if not expect_tensor(name, shape, self.missing):
            return None
        del self.missing[name]
        return self.places[name]

    def put(self, name: str, tensor: Tensor) -> None:
        """Copy a tensor in Hugging Face layout to its place. Raises ModelError when it is not finite, or as `place`."""
        place = self.place(name, tuple(tensor.shape))
        check_finite(name, tensor)
        if place is not None:
            place[0].copy_(tensor.reshape(place[1]))

    def check_complete(self) -> None:
        """Raises ModelError when something is missing."""
        if self.missing:
            raise ModelError(f"{len(self.missing)} tensors are missing, first {min(self.missing)!r}")


def load_weights(directory: Path, config: ModelConfig, dtype: torch.dtype) -> Weights:
    """Read a checkpoint of exactly this config, unchecked by checksums. Raises ModelError as `fill` does."""
    return fill(Filling(config, dtype), directory, found_in(directory)).weights


def found_in(directory: Path) -> Iterable[Shard]:
    """The files of a checkpoint that nobody gave checksums for."""
    return map(Shard, shards(directory))


def fill(filling: Filling, directory: Path, landed: Iterable[Shard]) -> Filling:
    """Read the files of a checkpoint in the order in which they have landed. Returns the filling.

    Raises ModelError for another config, a missing or corrupt shard, missing or unknown names, wrong shapes or values
    that are not finite (one NaN in a shared cache block would spread to other requests).
    """
    if read_config(directory) != filling.config:
        raise ModelError(f"{directory / 'config.json'}: differs from the served model's shape; only weights can change")
    for shard in landed:
        if Path(shard.name).name != shard.name:
            raise ModelError(f"shard {shard.name!r} must be a plain file name")
        filling.stamps[shard.name] = read_file(directory / shard.name, filling.place, shard.checksum)
    if sorted(filling.stamps) != shards(directory):
        raise ModelError(f"{directory}: its shards are {shards(directory)}, but {sorted(filling.stamps)} were named")
    filling.check_complete()
    return filling


def shards(directory: Path) -> list[str]:
    """Names of the safetensors files of a checkpoint. Raises ModelError when the index leads outside or to nothing."""
    if not (directory / INDEX_FILE).exists():
        return [SINGLE_FILE]
    weight_map = read_json(directory / INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{INDEX_FILE}: lacks weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{INDEX_FILE}: shard {name!r} must be a plain file name")
    return names


def stamps_of(directory: Path) -> dict[str, Stamp]:
    """Of its shards as they are now. Raises ModelError when one is missing."""
    try:
        return {name: stamp_of((directory / name).stat()) for name in shards(directory)}
    except OSError as error:
        raise ModelError(f"{error.filename}: missing shard") from error


def expect_tensor(name: str, shape: tuple[int, ...], expected: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the model needs this tensor; False for one that it may have beside. ModelError for any other."""
    if name not in expected:
        if name == TIED_HEAD or name.endswith("rotary_emb.inv_freq"):
            return False
        raise ModelError(f"unknown tensor {name!r}")
    if shape != expected[name]:
        raise ModelError(f"{name}: shape {list(shape)}, expected {list(expected[name])}")
    return True
