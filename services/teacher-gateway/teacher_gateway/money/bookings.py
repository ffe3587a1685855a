"""What is kept of a call: a booking of the most that it may use, and its settlement at what it used."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

import msgspec

from teacher_gateway.money.amounts import Amount, Limits
from teacher_gateway.traffic.window import Minute

NO_LIMITS = Limits()
DIMENSIONS = {"nanos": "usd", "tokens": "tokens", "requests": "requests"}


class Scope(msgspec.Struct, frozen=True):
    """What a cap is on: `job:<id>` or `provider:<name>`."""

    name: str
    limits: Limits = NO_LIMITS


class Booking(msgspec.Struct, frozen=True):
    """The worst case of one call: held in every scope and in the provider's minute, or nowhere.

    cost_fields: where its price is added up among the job's costs when it is settled.
    """

    call_id: str
    amount: Amount
    scopes: Sequence[Scope]
    job_id: str = ""
    cost_fields: Sequence[str] = ()
    minute: Minute | None = None


class Settlement(msgspec.Struct, frozen=True):
    """What a booked call used; `minute_tokens` None: the provider counted none, so its minute keeps the estimate."""

    call_id: str
    amount: Amount
    minute_tokens: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """Of a booking. All zero: held. Else the seconds until its provider may have room, or the cap that it exceeds."""

    wait: int = 0
    scope: int = 0  # counted from 1
    cap: str = ""


HELD = Outcome()


class Books(Protocol):
    """Where bookings are kept."""

    counts_money: bool

    def reserve(self, booking: Booking) -> Awaitable[Outcome]:
        """Hold it, or say why not. Repeating it changes nothing. Raises redis.RedisError."""

    def settle(self, settlement: Settlement) -> None:
        """Replace a booking by what was used, soon, and before anything that is reserved here after this."""
