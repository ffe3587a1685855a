"""The tutor as OpenAI clients see it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

# Imports are what a start costs: about a second, more on a machine under load.
START_SECONDS = 30.0
STOP_SECONDS = 10.0
QUESTION = "choose the densest ? density : A 1.3 B 4.1 C 2.5 D 1.8 ; gap : A 1.0 B 1.2 C 4.1 D 3.0 ;"
LOWEST = "<reasoning> density : A 1.3 B 4.1 C 2.5 D 1.8 ; lowest A </reasoning> <answer> A </answer>"


@pytest.fixture(scope="module")
def tutor_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("tutor") / "log"
    process = start(port, log)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert httpx2.get(url + "/readyz").status_code == 200
            break
        except httpx2.TransportError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(STOP_SECONDS)


def start(port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "tutor"]
        return subprocess.Popen(command, stdout=output, stderr=output, env={"TUTOR_PORT": str(port)})


@pytest.fixture
def client(tutor_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=tutor_url + "/v1", api_key="unused", max_retries=0) as client:
        yield client


def prompt(question: str, answer: str) -> str:
    return f"Help.\n<question>\n{question}\n</question>\n\n<latest_answer>\n{answer}\n</latest_answer>\n\nBriefly."


def ask(client: openai.OpenAI, text: str) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(model="materials-tutor", messages=[{"role": "user", "content": text}])


def test_the_openai_client_gets_a_hint(client: openai.OpenAI) -> None:
    completion = ask(client, prompt(QUESTION, LOWEST))
    assert (
        completion.choices[0].message.content == "you took the lowest density but densest means the highest density ."
    )
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "materials-tutor"
    assert completion.usage
    # Words: `you ... .` has 12; the prompt is Help., four tags, Briefly., 26 of the question and 18 of the answer.
    assert (completion.usage.completion_tokens, completion.usage.prompt_tokens) == (12, 50)
    assert completion.usage.total_tokens == 62


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["materials-tutor"]


def test_the_last_user_message_counts(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="materials-tutor",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": [{"type": "text", "text": prompt(QUESTION, "A")}]},
        ],
    )
    assert (completion.choices[0].message.content or "").startswith("write your reasoning first")


def test_max_tokens_cuts_the_hint(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="materials-tutor", messages=[{"role": "user", "content": prompt(QUESTION, LOWEST)}], max_tokens=4
    )
    assert completion.choices[0].message.content == "you took the lowest"
    assert completion.choices[0].finish_reason == "length"


def test_the_manner_is_a_part_of_the_body(client: openai.OpenAI) -> None:
    shown = prompt(QUESTION, LOWEST) + "\n<ground_truth>\nB\n</ground_truth>"
    said = []
    for manner in ({"style": "vague"}, {"style": "answer"}, {"wrong_share": 1.0}):
        completion = client.chat.completions.create(
            model="materials-tutor",
            messages=[{"role": "user", "content": shown}],
            seed=7,
            extra_body={"tutor": manner},
        )
        said.append(completion.choices[0].message.content or "")
    assert said[:2] == ["you misread the question .", "the answer is B ."]
    assert said[2].startswith("you took the lowest density but densest means the ")
    assert "highest density" not in said[2]


def test_an_answer_that_was_not_shown_cannot_be_told(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="ground_truth"):
        client.chat.completions.create(
            model="materials-tutor",
            messages=[{"role": "user", "content": prompt(QUESTION, LOWEST)}],
            extra_body={"tutor": {"style": "answer"}},
        )


def test_streaming_is_refused_with_a_reason(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="materials-tutor", messages=[{"role": "user", "content": prompt(QUESTION, LOWEST)}], stream=True
        )
    assert caught.value.param == "stream"
    assert "does not stream" in caught.value.message


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("What is 2 + 2?", "no <question>"),
        (f"<question>{QUESTION}</question>", "no <latest_answer>"),
        (prompt("What is 2 + 2?", LOWEST), "no question of the materials table"),
        (f"<latest_answer>{LOWEST}</latest_answer><question>{QUESTION}</question>", "no <latest_answer>"),
        ("", "no <question>"),
    ],
)
def test_a_prompt_of_another_task_is_a_bad_request(client: openai.OpenAI, text: str, cause: str) -> None:
    with pytest.raises(openai.BadRequestError, match=cause) as caught:
        ask(client, text)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "messages")


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": "hello"}])
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "materials-tutor", "messages": []}, "messages"),
        ({"model": "materials-tutor", "messages": [{"role": "user", "content": 7}]}, "messages.0.content.str"),
        ({"model": "materials-tutor", "messages": [{"role": "user", "content": "x"}], "n": 2}, "n"),
        ([], ""),
    ],
)
def test_what_is_no_chat_request_gets_openais_error_shape(tutor_url: str, body: object, param: str) -> None:
    answer = httpx2.post(tutor_url + "/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"
