"""Environments of peers that must not share ours: made once, below .socratic, where git does not look."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HOME = Path(__file__).parents[2] / ".socratic" / "peers"
# torch first and by exact version: any other route may pull gigabytes of CUDA packages.
TORCH = "torch==2.13.0"
TRL = ("trl==1.16.0",)
# Its API server needs no more of what it names: the rest is for environments and trainers.
ATROPOS = ("atroposlib==0.4.0", "--no-deps")
ATROPOS_SERVER = ("fastapi==0.165.0", "uvicorn==0.54.0")
# torch alone is some hundred megabytes.
INSTALL_SECONDS = 1800.0


def trl_python() -> Path:
    """A Python that has TRL; installs it when it is not there yet."""
    return python_with("trl", (TORCH,), TRL)


def atropos_python() -> Path:
    """A Python that can run atropos' API server; installs it when it is not there yet."""
    return python_with("atropos", ATROPOS_SERVER, ATROPOS)


def python_with(name: str, *installs: Sequence[str]) -> Path:
    """The Python of an environment of this name, made with these arguments of pip, one call after the other."""
    python = HOME / name / "bin" / "python"
    ready = HOME / name / ".ready"
    if not ready.exists():
        sys.stdout.write(f"installing {name} into an environment of its own (once; some minutes)\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "venv", str(HOME / name)], check=True, timeout=INSTALL_SECONDS)
        for packages in installs:
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        ready.touch()
    return python
