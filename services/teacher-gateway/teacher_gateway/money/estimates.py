"""The most that a call can use, known before it is made: what a reservation holds."""

from teacher_gateway.money.amounts import Amount
from teacher_gateway.money.prices import Tariff, Usage

# What a provider may wrap around one user message: its chat template and default system prompt.
TEMPLATE_TOKENS = 256


def most_used(prompt: str, max_guidance_tokens: int, timeout_seconds: float) -> Usage:
    """An upper bound: no tokenizer makes more tokens of a text than it has bytes in UTF-8."""
    return Usage(len(prompt.encode()) + TEMPLATE_TOKENS, max_guidance_tokens, timeout_seconds)


def amount_of(usage: Usage, tariff: Tariff | None) -> Amount:
    """One request with this usage; a price that nobody knows counts as zero (USD caps then refuse the teacher)."""
    nanos = tariff.nanos(usage) if tariff else 0
    return Amount(nanos, usage.prompt_tokens + usage.completion_tokens, 1)
