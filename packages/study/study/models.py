"""The models of a plan: made where they are missing, when their first cell comes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.errors import Problem

from study.plan import ModelPlan

# The built-in ones take five minutes on a quiet core.
MAKE_SECONDS = 3600.0


def prepare_model(name: str, model: ModelPlan, tell: Callable[[str], None]) -> Path:
    """Its directory; made where it is missing. Raises Problem when it cannot be."""
    directory = Path(model.model)
    if (directory / "config.json").is_file():
        return directory
    if not model.make:
        detail = f"{name}: there is no model directory {model.model}, and the plan does not say how to make it"
        raise Problem(422, "no_model", detail)
    tell(f"making {name}: {model.model}")
    make_model(name, model)
    return directory


def make_model(name: str, model: ModelPlan) -> None:
    """By the command that a user would type. Raises Problem with its last words."""
    command = [sys.executable, "-m", "socratic.cli", "student", "make-base", *model.make, "--out", model.model]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=MAKE_SECONDS, check=False)
    if ended.returncode != 0:
        words = (ended.stderr or ended.stdout).strip()[-500:]
        raise Problem(500, "model_not_made", f"{name} could not be made: {words}")
