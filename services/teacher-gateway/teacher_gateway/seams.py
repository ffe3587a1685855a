"""What a guidance passes besides its teacher: purse, cassette and leak guard. Each default here does nothing.

request -> prompt -> within Cassette.single_flight: Cassette.replay
        -> ladder of rungs, each try: Purse.reserve (budget and provider's minute), provider, Purse.settle
        -> LeakGuard.check (may ask again) -> response -> Cassette.record
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from contracts.budgets import Leak
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest, GuidanceResponse

from teacher_gateway.providers.base import Reply
from teacher_gateway.traffic.window import Minute


class Asked(msgspec.Struct, frozen=True):
    """A request with the prompt that was made of it."""

    request: GuidanceRequest
    prompt: str
    prompt_version: str


class Call(msgspec.Struct, frozen=True):
    """One call of a provider that is about to be made; `request.teacher` names the rung's own model and address."""

    rung: str
    provider: str
    prompt: str
    request: GuidanceRequest


class Given(msgspec.Struct, frozen=True):
    """A reply and the rung that gave it; `leak` is what the leak guard found."""

    rung: str
    provider: str
    reply: Reply
    leak: Leak | None = None


class RungExhausted(Problem):
    """This rung may not be asked any more; the next one of the ladder may."""


class NoRoom(Exception):
    """The provider's minute is full; `seconds` until it may have room."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"no room for {seconds} s")
        self.seconds = seconds


class Ticket(msgspec.Struct, frozen=True):
    """A reserved call and when it began (monotonic seconds); no call id where no books hold it."""

    started: float
    call_id: str = ""


AskAgain = Callable[[str], Awaitable[Given]]


class Purse(Protocol):
    """Reserves money and the provider's minute before each call, tries included, and settles both after it."""

    async def reserve(self, call: Call, minute: Minute | None = None) -> Ticket:
        """A ticket for `settle`. Raises NoRoom when the minute is full, RungExhausted to go down the ladder, any
        other Problem to end the guidance."""

    def settle(self, ticket: Ticket, call: Call, outcome: Reply | Problem) -> float:
        """The price in USD. Not called for a call that was cut off: what it used is unknown."""


class Cassette(Protocol):
    """Records guidance and replays it."""

    def single_flight(self, asked: Asked, deadline: float) -> AbstractAsyncContextManager[None]:
        """What surrounds replay, asking and recording, so that equal guidances are not paid for side by side."""

    async def replay(self, asked: Asked) -> GuidanceResponse | None:
        """The recorded guidance, None when the ladder is to be asked. Raises a Problem when replay is a must."""

    async def record(self, asked: Asked, response: GuidanceResponse) -> None:
        """Keep what was given."""


class LeakGuard(Protocol):
    """Looks whether guidance gives the answer away."""

    def require_ready(self, request: GuidanceRequest) -> None:
        """Raises a Problem when this gateway cannot look as the job wants."""

    async def check(self, asked: Asked, given: Given, ask_again: AskAgain) -> Given:
        """What to tell the student. `ask_again` takes a prompt and climbs the ladder within the same deadline."""


class NoPurse:
    """Spends without bound or count."""

    async def reserve(self, call: Call, minute: Minute | None = None) -> Ticket:
        return Ticket(time.monotonic())

    def settle(self, ticket: Ticket, call: Call, outcome: Reply | Problem) -> float:
        return outcome.price_usd if isinstance(outcome, Reply) else 0.0


class NoCassette:
    """Records nothing."""

    def single_flight(self, asked: Asked, deadline: float) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def replay(self, asked: Asked) -> GuidanceResponse | None:
        return None

    async def record(self, asked: Asked, response: GuidanceResponse) -> None:
        return None


class NoLeakGuard:
    """Lets everything pass."""

    def require_ready(self, request: GuidanceRequest) -> None:
        return None

    async def check(self, asked: Asked, given: Given, ask_again: AskAgain) -> Given:
        return given


@dataclass(frozen=True)
class Seams:
    """The three together, as the app wires them, and the keys that may leave the gateway in no text."""

    purse: Purse = field(default_factory=NoPurse)
    cassette: Cassette = field(default_factory=NoCassette)
    leak_guard: LeakGuard = field(default_factory=NoLeakGuard)
    secrets: frozenset[str] = frozenset()
