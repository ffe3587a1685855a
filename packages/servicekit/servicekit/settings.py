"""Settings that every service shares, and `--help` that prints all of them with their environment names."""

import argparse
import re
import sys
from typing import NoReturn, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class ServiceSettings(BaseSettings):
    """Where a service listens and how it logs. Subclasses set `env_prefix` in their `model_config`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to bind; loopback unless you mean to open the service.")
    port: int = Field(0, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` for machines, `text` for people.")


Settings = TypeVar("Settings", bound=BaseSettings)


def describe(settings_class: type[BaseSettings]) -> str:
    """One line per setting: environment name, default, meaning."""
    prefix = settings_class.model_config.get("env_prefix", "")
    lines = []
    for name, field in settings_class.model_fields.items():
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!r}"
        lines.append(f"  {prefix}{name}".upper() + f"\n      {field.description} ({default})")
    return "\n".join(lines)


def parse_settings(settings_class: type[Settings], program: str, purpose: str) -> Settings:
    """Read the environment once; `--help` explains every setting, a wrong one exits 2 with a plain sentence."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=purpose,
        epilog="settings, read from the environment:\n" + describe(settings_class),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        return settings_class()
    except ValidationError as error:
        refuse(settings_class, program, {dotted(item["loc"]): item["msg"] for item in error.errors()})
    except SettingsError as error:  # a list or object that is not JSON: only the text of the error names its field
        found = re.search(r'field "(\w+)"', str(error))
        refuse(settings_class, program, {found[1] if found else "": "Value should be JSON"})


def dotted(location: tuple[int | str, ...]) -> str:
    """The path of a field within the settings."""
    return ".".join(str(part) for part in location)


def refuse(settings_class: type[BaseSettings], program: str, faults: dict[str, str]) -> NoReturn:
    """Name each wrong setting by its environment name, never by its value (it may be a secret), and exit 2."""
    prefix = settings_class.model_config.get("env_prefix", "")
    for field, fault in faults.items():
        name = f"{prefix}{field}".upper()
        sys.stderr.write(f"{program}: {name}: {fault}. See `python -m {program} --help`.\n")
    raise SystemExit(2) from None
