"""What a call costs: the teachers file's own price, else the kept table of genai-prices, else nothing or unknown."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from ipaddress import ip_address
from math import ceil, lcm
from typing import Protocol

import msgspec
from contracts.budgets import Caps
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from teacher_gateway.money.amounts import NANOS_PER_USD, nanos_of

# Hosts of a compose file or cluster, such as `vllm`, have no dot; no commercial API has such a name.
LOCAL_SUFFIXES = (".local", ".localhost", ".internal")


class Usage(msgspec.Struct, frozen=True):
    """What a call used, or might use at most."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class Tariff(Protocol):
    """A price, higher for more of anything."""

    def nanos(self, usage: Usage) -> int:
        """Nano-USD, rounded up."""


class PriceSpec(BaseModel):
    """A price in the teachers file; it wins over the table. All zero: free."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prompt_usd_per_million: float = Field(0.0, ge=0, description="USD per million tokens of the prompt.")
    completion_usd_per_million: float = Field(0.0, ge=0, description="USD per million tokens of the guidance.")
    usd_per_second: float = Field(0.0, ge=0, description="USD per second of a call: a rented GPU of one's own.")
    usd_per_call: float = Field(0.0, ge=0, description="USD per call, whatever it uses.")

    def nanos(self, usage: Usage) -> int:
        prompt, completion, call, unit = self._rates
        used = usage.prompt_tokens * prompt + usage.completion_tokens * completion + call
        if not self.usd_per_second:
            return -(-used // unit)
        return ceil(Fraction(used, unit) + nanos(usage.seconds) * Fraction(str(self.usd_per_second)))

    @cached_property
    def _rates(self) -> tuple[int, int, int, int]:
        """Of a token of the prompt, one of the guidance and a call, as they were written: in parts of a nano-USD, of
        which the last is a whole one."""
        million = 1_000_000
        tokens = (nanos(self.prompt_usd_per_million) / million, nanos(self.completion_usd_per_million) / million)
        rates = (*tokens, nanos(self.usd_per_call))
        unit = lcm(*(rate.denominator for rate in rates))
        prompt, completion, call = (int(rate * unit) for rate in rates)
        return prompt, completion, call, unit


FREE = PriceSpec()


def nanos(usd: float) -> Fraction:
    """USD in nano-USD, as they were written: without binary fractions."""
    return NANOS_PER_USD * Fraction(str(usd))


@dataclass(frozen=True)
class TablePrice:
    """A model of a commercial provider in genai-prices, which knows tiers; found by address or by provider name."""

    model: str
    provider: str | None
    base_url: str | None

    def nanos(self, usage: Usage) -> int:
        used = PricedUsage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
        if self.provider is not None:
            price = calc_price(used, self.model, provider_id=self.provider)
        else:
            price = calc_price(used, self.model, provider_api_url=self.base_url)
        return nanos_of(price.total_price)


def find_tariff(
    model: str | None, provider: str | None, base_url: str | None, override: PriceSpec | None
) -> Tariff | None:
    """The tariff of a teacher; None when nobody knows its price.

    A local server is free even when its model has a commercial name: the address decides, never the name alone.
    """
    if override is not None:
        return override
    if model is None or (base_url is not None and is_local(base_url)):
        return FREE
    found = TablePrice(model, provider, base_url)
    try:
        found.nanos(Usage())
    except LookupError:
        return None
    return found


def is_local(base_url: str) -> bool:
    """This machine or a private network."""
    host = URL(base_url).host or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(LOCAL_SUFFIXES)


def needs_price(caps: Caps | None) -> bool:
    """A cap in USD cannot be kept without a price."""
    return caps is not None and caps.usd is not None
