"""Environments of peers that must not share ours: made once, below .socratic, where git does not look."""

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2] / ".socratic" / "peers"
# torch first and by exact version: any other route may pull gigabytes of CUDA packages.
TORCH = "torch==2.13.0"
TRL = "trl==1.16.0"
# torch alone is some hundred megabytes.
INSTALL_SECONDS = 1800.0


def trl_python() -> Path:
    """A Python that has TRL; installs it when it is not there yet."""
    python = HOME / "trl" / "bin" / "python"
    ready = HOME / "trl" / ".ready"
    if not ready.exists():
        sys.stdout.write("installing TRL into an environment of its own (once; some minutes)\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "trl")], check=True, timeout=INSTALL_SECONDS)
        for package in (TORCH, TRL):
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
            subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
        ready.touch()
    return python
