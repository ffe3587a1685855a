"""The safetensors library and sha256sum read what our writer writes."""

import subprocess
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from trainer.tensor_files import PIECE_BYTES, write_tensors


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    large = torch.randn(PIECE_BYTES // 4 + 3, 2, generator=generator)
    return {
        "bytes": torch.arange(5, dtype=torch.uint8),
        "large": large,
        "bf16": large[:7].bfloat16(),
        "transposed": large[:9].T,
        "one number": torch.tensor(3.5),
        "nothing": torch.empty(0, 4),
        "learned": torch.nn.Parameter(large[:2].clone()),
    }


def test_the_library_reads_every_tensor_to_the_bit(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    write_tensors(path, tensors, {"format": "pt"})
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_the_digest_is_that_of_the_file(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    digest = write_tensors(tmp_path / "file", tensors)
    said = subprocess.run(["sha256sum", str(tmp_path / "file")], check=True, capture_output=True, text=True).stdout
    assert said.split()[0] == digest


def test_a_full_disk_is_an_os_error(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_tensors(Path("/dev/full"), tensors)
