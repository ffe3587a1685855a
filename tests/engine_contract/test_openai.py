"""The OpenAI routes as the real openai client sees them."""

from collections.abc import Iterator

import openai
import pytest

from .engines import ANSWER_SECONDS, Engine
from .test_generate import PROMPT, TOLERANCE, greedy

MESSAGES = [{"role": "user", "content": "Which is harder?"}]


@pytest.fixture
def client(engine: Engine) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{engine.url}/v1", api_key="none", timeout=ANSWER_SECONDS, max_retries=0) as client:
        yield client


def test_models_lists_the_served_one(client: openai.OpenAI, engine: Engine) -> None:
    assert [model.id for model in client.models.list()] == [str(engine.model)]


def test_completions_continue_token_ids_and_text(client: openai.OpenAI, engine: Engine) -> None:
    expected = engine.generate(input_ids=PROMPT, sampling_params=greedy(8))["text"]
    extra = {"ignore_eos": True}
    answer = client.completions.create(
        model=str(engine.model), prompt=PROMPT, max_tokens=8, temperature=0, logprobs=0, extra_body=extra
    )
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == (expected, "length")
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 8)
    spans = [{"version": "default", "start": 0, "end": 8}]
    assert answer.model_extra == {"metadata": {"weight_version": "default", "weight_versions": spans}}
    assert choice.logprobs
    assert choice.logprobs.token_logprobs
    assert len(choice.logprobs.token_logprobs) == 8
    texts = client.completions.create(model=str(engine.model), prompt=["a b", "c"], max_tokens=3, temperature=0)
    assert [choice.index for choice in texts.choices] == [0, 1]


def test_a_streamed_completion_adds_up_to_the_whole(client: openai.OpenAI, engine: Engine) -> None:
    asked = {"model": str(engine.model), "prompt": PROMPT, "max_tokens": 8, "temperature": 0}
    whole = client.completions.create(**asked).choices[0]
    chunks = [chunk.choices[0] for chunk in client.completions.create(**asked, stream=True) if chunk.choices]
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert chunks[-1].finish_reason == whole.finish_reason


def test_chat_completions(client: openai.OpenAI, engine: Engine) -> None:
    asked = {"model": str(engine.model), "messages": MESSAGES, "max_tokens": 8, "temperature": 0, "seed": 1}
    answer = client.chat.completions.create(**asked, logprobs=True)
    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert choice.finish_reason in ("stop", "length")
    assert choice.logprobs
    assert answer.usage
    assert len(choice.logprobs.content or []) == answer.usage.completion_tokens
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True) if chunk.choices]
    assert "".join(chunk.delta.content or "" for chunk in chunks) == choice.message.content


def test_a_refusal_is_the_clients_own_error(client: openai.OpenAI, engine: Engine) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.completions.create(model=str(engine.model), prompt=PROMPT, max_tokens=8, temperature=-1)
    assert isinstance(refusal.value.body, dict)
    assert refusal.value.body.keys() == {"object", "message", "type", "param", "code"}
    assert "temperature" in refusal.value.body["message"]


def test_completions_show_other_tokens_and_the_prompt(client: openai.OpenAI, engine: Engine) -> None:
    asked = {"model": str(engine.model), "prompt": PROMPT, "max_tokens": 3, "temperature": 0}
    plain = client.completions.create(**asked).choices[0]
    echoed = client.completions.create(**asked, echo=True, logprobs=2).choices[0]
    assert echoed.text.endswith(plain.text)
    assert len(echoed.text) > len(plain.text)
    shown = echoed.logprobs
    assert shown
    assert shown.tokens
    assert shown.token_logprobs
    assert shown.top_logprobs
    assert len(shown.tokens) == len(shown.token_logprobs) == len(shown.top_logprobs) == len(PROMPT) + 3
    assert (shown.token_logprobs[0], shown.top_logprobs[0]) == (None, None)
    for token, value, top in list(zip(shown.tokens, shown.token_logprobs, shown.top_logprobs, strict=True))[-3:]:
        assert len(top) == 2
        assert abs(top[token] - value) < TOLERANCE


def test_a_bias_forbids_a_token_and_samples_count_their_prompt_once(client: openai.OpenAI, engine: Engine) -> None:
    asked = {"model": str(engine.model), "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "logprobs": 0}
    [best] = client.completions.create(**asked).choices
    token = engine.generate(input_ids=PROMPT, sampling_params=greedy(1))["output_ids"][0]
    [other] = client.completions.create(**asked, logit_bias={str(token): -100}).choices
    assert best.logprobs
    assert other.logprobs
    assert best.logprobs.tokens != other.logprobs.tokens
    several = client.completions.create(model=str(engine.model), prompt=PROMPT, max_tokens=2, n=3)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    assert several.usage
    assert several.usage.prompt_tokens == len(PROMPT)


def test_chat_completions_show_other_tokens_also_in_a_stream(client: openai.OpenAI, engine: Engine) -> None:
    asked = {
        "model": str(engine.model),
        "messages": MESSAGES,
        "max_tokens": 4,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 2,
    }
    whole = client.chat.completions.create(**asked).choices[0].logprobs
    assert whole
    assert whole.content
    for part in whole.content:
        assert part.top_logprobs[0].token == part.token
        assert len(part.top_logprobs) == 2
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True) if chunk.choices]
    streamed = [part for chunk in chunks if chunk.logprobs for part in chunk.logprobs.content or []]
    assert [part.token for part in streamed] == [part.token for part in whole.content]
