"""The teachers file: providers with their keys and limits, and the named teachers that jobs ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from contracts.budgets import Caps
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from servicekit.addresses import ServiceUrl

from teacher_gateway.money.prices import PriceSpec

# What every gateway has without a file; names that a file may use in a ladder but not give away.
BUILT_IN = frozenset({"tutor", "retry"})
OPENAI_COMPATIBLE = "openai_compatible"
STUDENT = "student"
LOCAL = "local"
RESERVED = BUILT_IN | {OPENAI_COMPATIBLE, "named"}
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Closed(BaseModel):
    """Unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Limits(Closed):
    """What a provider lets its customer do; None is no limit. Shared by all gateways through Redis."""

    requests_per_minute: int | None = Field(None, ge=1, description="Calls in any minute, retries included.")
    tokens_per_minute: int | None = Field(None, ge=1, description="Tokens of prompts and guidance in any minute.")
    max_in_flight: int | None = Field(None, ge=1, description="Calls at once, of each gateway process.")


class Breaker(Closed):
    """When to leave a failing provider alone for a while."""

    failures: int = Field(8, ge=1, description="Failures in a row after which no call is made.")
    pause_seconds: float = Field(15, gt=0, description="How long; then one call tries whether it is back.")


class ProviderSettings(Closed):
    """An account with a provider, or a server of one's own."""

    kind: str = Field(
        description="`openai`, `anthropic`, `gemini`, `openai_compatible`, `student`, or the name of an installed "
        "entry point of the group socratic.teachers."
    )
    base_url: ServiceUrl | None = Field(None, description="Where it is, when not at the provider's own address.")
    api_key_env: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Name of the environment variable that holds its key."
    )
    limits: Limits = Limits()
    breaker: Breaker = Breaker()
    hedge_after_seconds: float | None = Field(
        None, gt=0, description="Ask a second time, and pay twice, when there is no answer yet; off by default."
    )
    budget: Caps | None = Field(None, description="What all jobs together may spend here, ever; needs Redis.")
    options: dict[str, Any] = Field(default_factory=dict, description="For an entry point: its own options.")

    @model_validator(mode="after")
    def compatible_has_an_address(self) -> Self:
        """There is no address to assume for a server of one's own."""
        if self.kind in (OPENAI_COMPATIBLE, STUDENT) and self.base_url is None:
            raise ValueError(f"kind {self.kind} needs base_url, such as http://127.0.0.1:8100/v1")
        return self

    @property
    def follows_the_student(self) -> bool:
        """Its words change with every policy version: the student itself, not frozen."""
        return self.kind == STUDENT and self.options.get("frozen_at") is None


class NamedTeacher(Closed):
    """A teacher that a job asks for by name."""

    provider: Name = Field(description="One of `providers`.")
    model: Annotated[str, Field(min_length=1)] = Field(description="Model name that the provider knows.")
    price: PriceSpec | None = Field(
        None, description="Its price; default: the table of genai-prices, and nothing for a local server."
    )
    timeout_seconds: float | None = Field(
        None, gt=0, le=600, description="When to go down the ladder; default: an equal share of the job's time-out."
    )
    ladder: tuple[Name, ...] = Field(
        (), description="Teachers to ask, in this order, when this one fails: names of this file, `tutor` or `retry`."
    )


class TeachersFile(Closed):
    """The whole file."""

    providers: dict[Name, ProviderSettings] = Field(default_factory=dict)
    teachers: dict[Name, NamedTeacher] = Field(default_factory=dict)

    @model_validator(mode="after")
    def names_are_known(self) -> Self:
        """Every name that is used is defined; none hides a built-in one."""
        if taken := RESERVED & (self.providers.keys() | self.teachers.keys()):
            raise ValueError(f"{', '.join(sorted(taken))}: the gateway has that already; take another name")
        for name, teacher in self.teachers.items():
            if teacher.provider not in self.providers:
                raise ValueError(f"teachers.{name}.provider: {teacher.provider} is not one of providers; add it there")
            for rung in teacher.ladder:
                if rung == name or rung not in self.teachers.keys() | BUILT_IN:
                    raise ValueError(f"teachers.{name}.ladder: {rung} is no other teacher of this file, tutor or retry")
        return self

    def described(self, name: str | None, policy_version: int | None = None) -> list[Any] | None:
        """What decides a named teacher's words, rung by rung: kind, address and model. None for any other teacher."""
        if name is None or name not in self.teachers:
            return None
        rungs = [(rung, self.teachers.get(rung)) for rung in (name, *self.teachers[name].ladder)]
        return [self._rung_described(rung, teacher, policy_version) for rung, teacher in rungs]

    def _rung_described(self, rung: str, teacher: NamedTeacher | None, policy_version: int | None) -> list[Any]:
        if teacher is None:
            return [rung]
        provider = self.providers[teacher.provider]
        known = [rung, provider.kind, provider.base_url, teacher.model, provider.options]
        return [*known, policy_version] if provider.follows_the_student else known

    def missing_keys(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Provider to the environment variable that should hold its key and does not."""
        named = {name: provider.api_key_env for name, provider in self.providers.items()}
        return {name: variable for name, variable in named.items() if variable and not environment.get(variable)}


def with_local(file: TeachersFile, url: str | None) -> TeachersFile:
    """The file with the engine at `url`, if any, as the teacher `local`. Raises ValueError when it has one already."""
    if url is None:
        return file
    if LOCAL in file.providers.keys() | file.teachers.keys():
        raise ValueError(f"the teachers file has {LOCAL} already: leave TEACHER_GATEWAY_LOCAL_TEACHER_URL out")
    provider = ProviderSettings(kind=OPENAI_COMPATIBLE, base_url=url.rstrip("/") + "/v1")
    # These engines serve one model, under any name.
    teacher = NamedTeacher(provider=LOCAL, model=LOCAL)
    return TeachersFile(providers={**file.providers, LOCAL: provider}, teachers={**file.teachers, LOCAL: teacher})


def load_teachers(path: Path | None) -> TeachersFile:
    """The file, or an empty one. Raises ValueError with the file, the field and the fix."""
    if path is None:
        return TeachersFile()
    try:
        return TeachersFile.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise ValueError(f"{path}: {'; '.join(faults)}") from None
