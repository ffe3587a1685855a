"""The chat template of a model directory: messages to the text that the student continues."""

from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from student_inference.config import read_json
from student_inference.protocol import BadRequest


class ChatTemplate:
    """`chat_template.jinja`, or the key of that name in tokenizer_config.json."""

    def __init__(self, directory: Path) -> None:
        file, config = directory / "chat_template.jinja", directory / "tokenizer_config.json"
        settings = read_json(config) if config.exists() else {}
        source = file.read_text(encoding="utf-8") if file.exists() else settings.get("chat_template")
        # A model directory may come from anywhere: its template runs sandboxed, as in transformers.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        self._template = environment.from_string(source) if isinstance(source, str) else None
        self._tokens = {name: token_text(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token")}

    def render(self, messages: list[dict[str, Any]]) -> str:
        """The text before the answer. Raises BadRequest without a template, or when it refuses the messages."""
        if self._template is None:
            raise BadRequest("messages: the model directory has no chat template; use /v1/completions")
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **self._tokens)
        except TemplateError as error:
            raise BadRequest(f"messages: the chat template refuses them ({error})") from error


def refuse(message: str) -> None:
    raise TemplateError(message)


def token_text(token: Any) -> str:
    """A special token as tokenizer_config.json writes it: a string, or an object with `content`."""
    value = token.get("content") if isinstance(token, dict) else token
    return value if isinstance(value, str) else ""
