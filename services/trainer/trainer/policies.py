"""Policy directories on disk: Hugging Face layout, so that any tool loads them."""

import shutil
from pathlib import Path

from safetensors.torch import save_file

from trainer.durable import whole_directory
from trainer.policy import Policy

WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth")
# The current version, and those before it that a slow engine may still be reading.
KEEP_POLICIES = 3


def write_policy(policy: Policy, base: Path, directory: Path) -> None:
    """The base's own config and tokenizer files with the new weights, checksummed. Raises OSError."""
    with whole_directory(directory) as unfinished:
        ignored = shutil.ignore_patterns(*WEIGHT_FILES)
        shutil.copytree(base, unfinished, ignore=ignored, dirs_exist_ok=True)
        save_file(policy.weights(), unfinished / "model.safetensors", metadata={"format": "pt"})


def collect_old(parent: Path) -> None:
    """Delete all but the newest versions."""
    for directory in sorted(parent.glob("v*"), key=lambda path: int(path.name[1:]))[:-KEEP_POLICIES]:
        shutil.rmtree(directory)
