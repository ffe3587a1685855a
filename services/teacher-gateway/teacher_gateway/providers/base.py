"""What a provider is: one attempt at one guidance. Retries, deadline, limits, metrics and prices are the gateway's."""

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from contracts.guidance import GuidanceRequest

from teacher_gateway.teachers_file import ProviderSettings


class Reply(msgspec.Struct, frozen=True):
    """What a provider gave. Tokens are the provider's own count, 0 where it counts none."""

    text: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    price_usd: float = 0.0
    truncated: bool = False  # cut at teacher.max_guidance_tokens: used all the same, and counted
    weight_version: str | None = None  # of an engine that tells it: which policy spoke
    prompted: bool = True  # the teacher prompt was used


class Provider(Protocol):
    """One method. `request.teacher` says which model, how warm and how long; `request` has what the prompt was made of.

    An installed package adds a provider under the entry point group socratic.teachers: docs/writing-a-teacher.md.
    """

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        """Ask once. Raises PassingFailure where another try may help, else TeacherFailure."""


@dataclass(frozen=True)
class Account:
    """What an entry point is called with: the key (None where the file names none) and the file's `options`."""

    base_url: str | None
    api_key: str | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A line of the registry; `provider` is None where this gateway's settings do not allow it."""

    provider: Provider | None
    detail: str
    settings: ProviderSettings | None = None
