"""Who is asked for a guidance, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest
from pydantic import BaseModel

from teacher_gateway.providers.base import Entry, Provider
from teacher_gateway.providers.registry import Registry
from teacher_gateway.teachers_file import BUILT_IN, NamedTeacher

Model = TypeVar("Model", bound=BaseModel)


class Rung(msgspec.Struct, frozen=True):
    """One teacher of the ladder. `request.teacher` holds its own model and address."""

    name: str
    provider_name: str
    provider: Provider
    request: GuidanceRequest
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class Staff:
    """Every provider, and the named teachers that use them."""

    registry: Registry
    teachers: dict[str, NamedTeacher]

    def rungs(self, request: GuidanceRequest) -> list[Rung]:
        """The ladder of the request's teacher, never empty. Raises a 422 for a teacher that is not set up here.

        The teacher that the job asked for must be set up; a lower rung that is not is left out.
        """
        teacher = request.teacher
        if teacher.name is None:
            return [self._built_in(teacher.provider, request)]
        if teacher.name not in self.teachers:
            known = ", ".join(sorted(self.teachers)) or "none; set TEACHER_GATEWAY_TEACHERS_FILE"
            raise _unavailable("teacher.name", f"There is no teacher {teacher.name}; there are: {known}.")
        below = [name for name in self.teachers[teacher.name].ladder if self.entry(name).provider is not None]
        return [self.rung(name, request) for name in [teacher.name, *below]]

    def rung(self, name: str, request: GuidanceRequest) -> Rung:
        """One named or built-in teacher without its ladder. Raises a 422 when it is not set up here."""
        return self._built_in(name, request) if name in BUILT_IN else self._named(name, request)

    def entry(self, name: str) -> Entry:
        """The provider behind a named or built-in teacher."""
        return self.registry[self.teachers[name].provider if name in self.teachers else name]

    def listing(self) -> list[dict[str, Any]]:
        """Everyone that a job can name, as GET /v1/teachers shows them."""
        built_in = [
            {"provider": name, "available": entry.provider is not None, "detail": entry.detail}
            for name, entry in self.registry.items()
            if entry.settings is None
        ]
        return [*built_in, *(self._listed(name, teacher) for name, teacher in self.teachers.items())]

    def _listed(self, name: str, teacher: NamedTeacher) -> dict[str, Any]:
        entry = self.entry(name)
        return {
            "provider": "named",
            "name": name,
            "available": entry.provider is not None,
            "detail": f"{teacher.model}, {entry.detail}",
            "ladder": list(teacher.ladder),
            "account": teacher.provider,
            "model": teacher.model,
            "limits": entry.settings.limits if entry.settings else None,
            "budget": entry.settings.budget if entry.settings else None,
        }

    def _named(self, name: str, request: GuidanceRequest) -> Rung:
        teacher, entry = self.teachers[name], self.entry(name)
        if entry.provider is None:
            raise _unavailable("teacher.name", f"Teacher {name} is not set up here. {entry.detail}")
        own = asked_of(request, provider="named", name=name, model=teacher.model)
        return Rung(name, teacher.provider, entry.provider, own, teacher.timeout_seconds)

    def _built_in(self, name: str, request: GuidanceRequest) -> Rung:
        entry = self.entry(name)
        if entry.provider is None:
            raise _unavailable("teacher.provider", f"Provider {name} is not set up here. {entry.detail}")
        own = request if name == request.teacher.provider else asked_of(request, provider=name, name=None)
        return Rung(name, name, entry.provider, own)


def asked_of(request: GuidanceRequest, **teacher: Any) -> GuidanceRequest:
    """The same request to another teacher. The copies skip validation: only a rung's model lacks its base_url."""
    return twin(request, {"teacher": twin(request.teacher, teacher)})


def twin(model: Model, changes: Mapping[str, Any]) -> Model:
    """As model_copy, for frozen models without extra fields or private attributes: a fifth of its calls."""
    copied = type(model).__new__(type(model))
    object.__setattr__(copied, "__dict__", {**model.__dict__, **changes})
    object.__setattr__(copied, "__pydantic_fields_set__", model.model_fields_set | changes.keys())
    object.__setattr__(copied, "__pydantic_extra__", None)
    object.__setattr__(copied, "__pydantic_private__", None)
    return copied


def _unavailable(field: str, detail: str) -> Problem:
    return Problem(422, "teacher_unavailable", detail, field=field)
