"""`--set training.steps=200` -> a JSON merge patch (RFC 7396). Pure."""

import json
from collections.abc import Sequence
from typing import Any

import yaml
from contracts.errors import Problem


def overrides_of(settings: Sequence[str]) -> dict[str, Any]:
    """Nested by the dots of each name. Raises Problem for one that is no `name=value`, or contradicts another."""
    patch: dict[str, Any] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        names = path.split(".")
        if not equals or not all(names):
            raise bad_setting(setting, "write it as name=value, such as training.steps=200")
        part = patch
        for name in names[:-1]:
            part = part.setdefault(name, {})
            if not isinstance(part, dict):
                raise bad_setting(setting, f"{name} is set as a whole already")
        part[names[-1]] = value_of(text, setting)
    return patch


def value_of(text: str, setting: str) -> Any:
    """As JSON, which takes 4e-4 for a number; else as YAML, which takes words without quotes. null is the default."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise bad_setting(setting, "its value is neither JSON nor YAML; put it in quotes") from None


def bad_setting(setting: str, fix: str) -> Problem:
    return Problem(422, "bad_setting", f"--set {setting}: {fix}")
