"""Tensors on disk, in safetensors files whose failures are those of any other file."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

# The library's own writer tells the system's error as text only.
SYSTEM_ERROR = re.compile(r"os error (\d+)")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises OSError: a full disk is ENOSPC here as everywhere."""
    try:
        save_file(dict(tensors), path, metadata=metadata)
    except SafetensorError as error:
        found = SYSTEM_ERROR.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
