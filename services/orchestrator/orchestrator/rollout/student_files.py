"""Reads a student's directory (Hugging Face layout): tokenizer, chat template, and the model's limits."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import Problem, invalid

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
# transformers makes its names when they are first asked for; of two threads that ask at once, one gets an ImportError.
_reading = threading.Lock()


@dataclass(frozen=True)
class StudentFiles:
    """`plain_tokenizer` reads control tokens in text as text. Lengths and sizes are in tokens."""

    tokenizer: Any
    plain_tokenizer: Any
    context_length: int
    vocab_size: int
    end_token_ids: frozenset[int]


def read_student(model_dir: Path) -> StudentFiles:
    """Raises a 422 Problem, field student.model, for whatever is missing or does not fit together."""
    config = _read_json(model_dir / "config.json")
    config = {**config, **config.get("text_config", {})}
    vocab_size, context_length = _limit(config, "vocab_size"), _limit(config, "max_position_embeddings")
    tokenizer = _read_tokenizer(model_dir)
    if not tokenizer.chat_template:
        raise _unfit(f"{model_dir} has no chat template; add a chat_template.jinja")
    largest = max(tokenizer.get_vocab().values(), default=0)
    if largest >= vocab_size:
        # Such an id ends the SGLang process.
        raise _unfit(f"its tokenizer has token id {largest}, but its config.json has vocab_size {vocab_size}; raise it")
    return StudentFiles(
        tokenizer=tokenizer,
        plain_tokenizer=_read_tokenizer(model_dir, split_special_tokens=True),
        context_length=context_length,
        vocab_size=vocab_size,
        end_token_ids=_end_token_ids(model_dir, config, tokenizer),
    )


def _read_tokenizer(model_dir: Path, **options: bool) -> Any:
    if not any((model_dir / name).is_file() for name in TOKENIZER_FILES):
        raise _unfit(f"{model_dir} has no tokenizer; add its {' or '.join(TOKENIZER_FILES)}")
    if (model_dir / "tokenizer.json").is_file():
        _read_json(model_dir / "tokenizer.json")
    with _reading:
        return _made_tokenizer(model_dir, **options)


def _made_tokenizer(model_dir: Path, **options: bool) -> Any:
    # Imported here because transformers takes seconds, which every start and every --help would pay.
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, StrictDataclassError) as error:
        raise _unfit(f"the tokenizer in {model_dir} cannot be loaded: {error}") from error
    except Exception as error:
        # The tokenizers library raises the bare class for a file that it does not understand.
        if type(error) is not Exception:
            raise
        raise _unfit(f"the tokenizer in {model_dir} cannot be loaded: {error}; export it again") from error


def _end_token_ids(model_dir: Path, config: dict[str, Any], tokenizer: Any) -> frozenset[int]:
    """Where engines stop: the eos ids of config.json, generation_config.json and the tokenizer."""
    path = model_dir / "generation_config.json"
    sources = [config, _read_json(path) if path.is_file() else {}, {"eos_token_id": tokenizer.eos_token_id}]
    found: set[int] = set()
    for source in sources:
        ids = source.get("eos_token_id")
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    return frozenset(found)


def _limit(config: dict[str, Any], name: str) -> int:
    value = config.get(name)
    if not isinstance(value, int) or value < 1:
        raise _unfit(f"its config.json has no {name}; add it")
    return value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _unfit(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise _unfit(f"{path} is not a JSON object")
    return content


def _unfit(detail: str) -> Problem:
    return invalid("student.model", detail)
