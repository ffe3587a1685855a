"""What a provider is: one attempt at one guidance. Retries, deadline, metrics and prices are the gateway's."""

from dataclasses import dataclass
from typing import Protocol

from contracts.guidance import GuidanceRequest


@dataclass(frozen=True)
class Reply:
    """What a provider gave. Tokens are the provider's own count, 0 where it counts none."""

    text: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    price_usd: float = 0.0
    truncated: bool = False  # cut at teacher.max_guidance_tokens: used all the same, and counted
    prompted: bool = True  # the teacher prompt was used


class Provider(Protocol):
    """Adding a provider is one module with such a class and one line in the registry."""

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        """Ask once. Raises PassingFailure where another try may help, else TeacherFailure."""


@dataclass(frozen=True)
class Entry:
    """A line of the registry; `provider` is None where this gateway's settings do not allow it."""

    provider: Provider | None
    detail: str
