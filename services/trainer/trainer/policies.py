"""Policy directories on disk: Hugging Face layout, so that any tool loads them."""

import shutil
from collections.abc import Collection
from pathlib import Path

from trainer.durable import remove_unfinished, remove_whole, whole_directory
from trainer.policy import Policy
from trainer.tensor_files import write_tensors

WEIGHTS_FILE = "model.safetensors"
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth")
# The current version, and those before it that a slow engine may still be reading.
KEEP_POLICIES = 3


def write_policy(policy: Policy, base: Path, directory: Path) -> str:
    """The base's own config and tokenizer files with the new weights, whose SHA-256 is returned. Raises OSError.

    Not forced to the disk: a checkpoint holds the same weights, and engines compare the checksum before they serve.
    """
    digests: dict[str, str] = {}
    with whole_directory(directory, digests, forced=False) as unfinished:
        copy_all_but_weights(base, unfinished)
        digests[WEIGHTS_FILE] = write_tensors(unfinished / WEIGHTS_FILE, policy.weights(), {"format": "pt"})
    return digests[WEIGHTS_FILE]


def copy_all_but_weights(base: Path, into: Path) -> None:
    """Raises OSError at the first file that cannot be copied (shutil.copytree would hide what the system said)."""
    for source in sorted(base.rglob("*")):
        if source.is_file() and not any(source.match(pattern) for pattern in WEIGHT_FILES):
            target = into / source.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def collect_old(parent: Path, kept: Collection[int]) -> None:
    """Delete all versions but the newest and those that are `kept`, and what crashes left behind."""
    for directory in sorted(parent.glob("v*"), key=version_of)[:-KEEP_POLICIES]:
        if version_of(directory) not in kept:
            remove_whole(directory)
    remove_unfinished(parent)


def version_of(directory: Path) -> int:
    """The policy version that a directory holds."""
    return int(directory.name[1:])
