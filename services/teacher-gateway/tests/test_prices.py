"""Prices and worst cases: closed forms, and the published prices of genai-prices."""

import math

import pytest
from contracts.budgets import Caps
from contracts.teachers import TeacherSpec
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.usage import RequestUsage
from teacher_gateway.money.amounts import Limits, limits_of
from teacher_gateway.money.estimates import most_used
from teacher_gateway.money.prices import FREE, PriceSpec, Usage, find_tariff
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.teachers_file import TeachersFile


def test_a_price_of_ones_own_is_exact() -> None:
    price = PriceSpec(prompt_usd_per_million=0.1, completion_usd_per_million=0.4, usd_per_second=0.002)
    assert price.nanos(Usage(1000, 500, 3.0)) == 100_000 + 200_000 + 6_000_000
    assert price.nanos(Usage(1, 0, 0.0)) == 100


def test_fractions_of_a_nano_dollar_round_up() -> None:
    assert PriceSpec(prompt_usd_per_million=0.0001).nanos(Usage(1, 0)) == 1


@pytest.mark.parametrize(
    ("model", "provider", "base_url"),
    [("gpt-4.1", "openai", None), ("gpt-4.1", None, "https://api.openai.com/v1")],
)
def test_the_table_knows_commercial_models(model: str, provider: str | None, base_url: str | None) -> None:
    tariff = find_tariff(model, provider, base_url, None)
    assert tariff is not None
    assert tariff.nanos(Usage(1_000_000 // 10, 1000)) == 208_000_000  # 2 USD and 8 USD per million tokens


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://vllm:8000/v1", "http://10.1.2.3/v1"]
)
def test_a_local_server_is_free_whatever_its_model_is_called(base_url: str) -> None:
    assert find_tariff("gpt-4.1", None, base_url, None) is FREE


def test_nobody_knows_the_price_of_a_stranger() -> None:
    assert find_tariff("gpt-4.1", None, "https://models.example.com/v1", None) is None
    assert find_tariff("no-such-model", "openai", None, None) is None


@given(st.text())
def test_the_worst_case_has_a_token_for_each_byte(prompt: str) -> None:
    usage = most_used(prompt, 77, 5.0)
    assert usage.prompt_tokens > len(prompt.encode("utf-8", "surrogatepass"))
    assert (usage.completion_tokens, usage.seconds) == (77, 5.0)


def test_caps_in_usd_round_down() -> None:
    assert limits_of(Caps(usd=0.1, tokens=5)) == Limits(nanos=100_000_000, tokens=5)
    assert limits_of(Caps(usd=1e-10)).nanos == 0
    assert limits_of(None) == Limits()


@pytest.mark.parametrize(
    ("kind", "provider_name", "model"),
    [
        ("openai", "openai", "gpt-4.1"),
        ("anthropic", "anthropic", "claude-haiku-4-5"),
        ("gemini", "google", "gemini-2.5-pro"),  # dearer beyond 200,000 tokens
    ],
)
@pytest.mark.parametrize("tokens", [(19, 10), (250_000, 1000)])
def test_the_library_that_asks_agrees_on_the_price(
    kind: str, provider_name: str, model: str, tokens: tuple[int, int]
) -> None:
    file = TeachersFile.model_validate(
        {"providers": {"account": {"kind": kind}}, "teachers": {"frontier": {"provider": "account", "model": model}}}
    )
    tariff = TermsBook(file).first_tariff(TeacherSpec.model_validate({"name": "frontier"}))
    assert tariff is not None
    usage = RequestUsage(input_tokens=tokens[0], output_tokens=tokens[1])
    answer = ModelResponse([TextPart("Look.")], usage=usage, model_name=model, provider_name=provider_name)
    assert tariff.nanos(Usage(*tokens)) == math.ceil(answer.cost().total_price * 10**9)
