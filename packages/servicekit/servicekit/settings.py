"""Settings that every service shares, and `--help` that prints all of them with their environment names."""

import argparse
import sys
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Where a service listens and how it logs. Subclasses set `env_prefix` in their `model_config`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to bind; loopback unless you mean to open the service.")
    port: int = Field(0, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    log_level: str = Field("info", description="debug, info, warning or error.")
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
        prefix = settings_class.model_config.get("env_prefix", "")
        for item in error.errors():
            name = f"{prefix}{'.'.join(str(part) for part in item['loc'])}".upper()
            sys.stderr.write(f"{program}: {name}: {item['msg']}. See `python -m {program} --help`.\n")
        raise SystemExit(2) from None
