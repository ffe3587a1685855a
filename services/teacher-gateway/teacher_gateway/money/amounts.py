"""What teacher calls use: money in whole nano-USD, so that sums are exact, tokens, and requests."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

import msgspec
from contracts.budgets import Caps

NANOS_PER_USD = 10**9
# Different ones at the same time: of jobs and providers.
MOST_CAPS = 1000


class Amount(msgspec.Struct, frozen=True):
    """Of one call, or of many."""

    nanos: int = 0
    tokens: int = 0
    requests: int = 0

    @property
    def usd(self) -> float:
        return self.nanos / NANOS_PER_USD


@dataclass(frozen=True)
class Limits:
    """Upper bounds in the units of Amount; None is no bound."""

    nanos: int | None = None
    tokens: int | None = None
    requests: int | None = None

    @property
    def any(self) -> bool:
        return (self.nanos, self.tokens, self.requests) != (None, None, None)


def nanos_of(usd: Decimal) -> int:
    """A price in nano-USD, rounded up: what is charged is never counted as less."""
    return int((usd * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


@lru_cache(MOST_CAPS)
def limits_of(caps: Caps | None) -> Limits:
    """Caps in the ledger's units; USD rounded down."""
    if caps is None:
        return Limits()
    nanos = None if caps.usd is None else Decimal(str(caps.usd)) * NANOS_PER_USD
    return Limits(
        nanos=None if nanos is None else int(nanos.to_integral_value(ROUND_FLOOR)),
        tokens=caps.tokens,
        requests=caps.requests,
    )
