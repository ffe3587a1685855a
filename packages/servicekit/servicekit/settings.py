"""Settings that every service shares, and `--help` that prints all of them with their environment names."""

import argparse
import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from servicekit.keys import AccessKey, digest, load_keys


class ServiceSettings(BaseSettings):
    """Where a service listens and how it logs. Subclasses set `env_prefix` in their `model_config`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to bind; loopback unless you mean to open the service.")
    port: int = Field(0, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` for machines, `text` for people.")

    def exposure_fault(self) -> str | None:
        """Why it must not listen where it was told to; None when it may."""
        return None


class GuardedSettings(ServiceSettings):
    """Of a service with routes that not everybody may use: its keys, and how much one request may take."""

    keys_file: Path | None = Field(
        None, description="JSON list of hashed API keys, as `python -m servicekit.keys` makes it."
    )
    service_key: SecretStr | None = Field(
        None, min_length=16, description="One key of all services of a system: accepted here, and shown to neighbours."
    )
    max_body_bytes: int = Field(8 * 2**20, ge=1024, description="Largest body of a request.")
    max_requests: int = Field(8192, ge=1, description="Most requests that are answered at once.")

    def exposure_fault(self) -> str | None:
        """Beyond loopback, and wherever keys were given, they must be there."""
        try:
            guarded = bool(self.access_keys())
        except ValueError as error:
            return str(error)
        if guarded or is_loopback(self.host):
            return None
        return EXPOSED.format(host=self.host, names="KEYS_FILE (python -m servicekit.keys makes one) or SERVICE_KEY")

    def access_keys(self) -> list[AccessKey]:
        """Every key that opens something. Raises ValueError when the file cannot be used."""
        kept = load_keys(self.keys_file) if self.keys_file else []
        if self.service_key is not None:
            kept.append(AccessKey(name="service", scope="admin", sha256=digest(self.service_key.get_secret_value())))
        return kept

    def bearer(self) -> dict[str, str]:
        """The headers that open the neighbours of the same system."""
        return {} if self.service_key is None else {"Authorization": f"Bearer {self.service_key.get_secret_value()}"}


EXPOSED = "{host} is not loopback, so that others could reach the service without a key; set {names}, or bind 127.0.0.1"


def is_loopback(host: str) -> bool:
    """Only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


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
        settings = settings_class()
        fault = settings.exposure_fault() if isinstance(settings, ServiceSettings) else None
        if fault is None:
            return settings
        refuse(settings_class, program, {"host": fault})
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
