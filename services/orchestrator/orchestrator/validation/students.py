"""Is the student there, can it hold a dialogue, and does the engine serve its architecture?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import Problem, invalid
from contracts.policies import model_directory

FIELD = "student.model"
# What must be equal so that the engine can load the student's weights into the model that it runs.
ARCHITECTURE = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "tie_word_embeddings",
)


def find_student(model: str, model_roots: Sequence[Path]) -> Path:
    """The student's directory, links resolved. Raises a 422 Problem when it is missing or outside the roots."""
    roots = [root.resolve() for root in model_roots]
    try:
        candidates = dict.fromkeys(model_directory((root / model).resolve()) for root in roots)
        inside = [path for path in candidates if any(path.is_relative_to(root) for root in roots)]
        found = next((path for path in inside if (path / "config.json").is_file()), None)
    except (OSError, ValueError):
        raise invalid(FIELD, "this is no usable path; give a Hugging Face model directory") from None
    listed = ", ".join(str(root) for root in roots)
    if not inside:
        raise invalid(FIELD, f"{model!r} lies outside the model roots ({listed}); put the model below one of them")
    if found is None:
        raise invalid(FIELD, f"no model directory with a config.json at {model!r} below the model roots ({listed})")
    return found


def read_config(directory: Path) -> dict[str, Any]:
    """The model's config.json. Raises a 422 Problem when it is no JSON object."""
    try:
        config = json.loads((directory / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise invalid(FIELD, f"its config.json cannot be read ({error}); export the model again") from None
    if not isinstance(config, dict):
        raise invalid(FIELD, "its config.json is no JSON object; export the model again")
    return config


def check_architecture(student: Mapping[str, Any], served: Mapping[str, Any]) -> None:
    """Raises a 422 Problem that names the first difference."""
    for name in ARCHITECTURE:
        wanted, has = architecture_value(student, name), architecture_value(served, name)
        if wanted != has:
            raise invalid(
                FIELD,
                f"the student engine serves another architecture ({name}: engine {has}, student {wanted}); "
                "start the stack with `socratic up --student PATH` and this student",
            )


def architecture_value(config: Mapping[str, Any], name: str) -> Any:
    """The value with the defaults that config.json may leave out."""
    if config.get(name) is not None:
        return config[name]
    heads = config.get("num_attention_heads")
    if name == "num_key_value_heads":
        return heads
    if name == "head_dim" and heads:
        return config.get("hidden_size", 0) // heads
    return None


def served_config(model_path: str, model_roots: Sequence[Path]) -> dict[str, Any]:
    """The config of the model that the engine runs. Raises a 503 Problem when it cannot be read here."""
    try:
        return read_config(
            Path(model_path) if Path(model_path).is_absolute() else find_student(model_path, model_roots)
        )
    except Problem as problem:
        detail = f"The student engine runs {model_path!r}, whose config cannot be read here: {problem.detail}"
        raise Problem(503, "student_engine_unknown", detail, retry_after=5) from None
