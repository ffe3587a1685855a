"""The client of the student engine, against SGLang's answers over real HTTP."""

import asyncio
from typing import Any

import pytest
from contracts.episodes import VersionSpan
from orchestrator.rollout.replicas import Replicas
from orchestrator.rollout.retries import RolloutError, Unavailable
from orchestrator.rollout.student import Policy, Sampling, Student
from servicekit.http_client import Connections

from .makers import proved
from .standins import Engine, Fault, drop, respond, status

CONTEXT = [2, 30, 31, 3]
SAMPLING = Sampling(max_new_tokens=24, temperature=0.7, top_p=0.9, seed=99)


async def ask(connections: Connections, url: str, seconds: float = 10.0, oldest: int = 0) -> Any:
    deadline = asyncio.get_running_loop().time() + seconds
    student = Student(connections, Replicas([url], proved([url])))
    return await student.answer(CONTEXT, SAMPLING, Policy("job-1", oldest), "prefix", deadline)


async def test_request_and_answer(connections: Connections, engine: Engine, wrong: list[int]) -> None:
    answer = await ask(connections, engine.url)
    assert engine.seen == [
        {
            "input_ids": CONTEXT,
            "sampling_params": {"max_new_tokens": 24, "temperature": 0.7, "top_p": 0.9, "sampling_seed": 99},
            "return_logprob": True,
        }
    ]
    assert answer.token_ids == wrong
    assert answer.logprobs == [-0.25, -0.5, -0.75, -1.0]
    assert answer.version_spans == [VersionSpan(version=0, start=0, end=4)]
    assert answer.finish_reason == "stop"


def stale(version: str) -> Fault:
    """One answer by other weights."""

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return Engine.reply(SPEAKER, body, weight_versions=[{"version": version, "start": 0, "end": 1}])

    return respond(answer)


SPEAKER = Engine(lambda context: [4])
ABORTED = respond(lambda body: Engine.reply(SPEAKER, body, finish_reason={"type": "abort", "message": "swap"}))


@pytest.mark.parametrize(
    "faults",
    [
        [status(503), status(503)],
        [status(500)],
        [status(429, {"Retry-After": "0"})],
        [drop, drop],
        [stale("default"), stale("job-2:7"), stale("job-1:2")],
        [ABORTED],
    ],
    ids=["busy", "error", "limited", "dropped", "stale", "aborted"],
)
async def test_what_passes_is_asked_again(connections: Connections, engine: Engine, faults: list[Fault]) -> None:
    engine.faults.extend(faults)
    engine.version = "job-1:3"
    answer = await ask(connections, engine.url, oldest=3)
    assert answer.version_spans[0].version == 3
    assert len(engine.seen) == len(faults) + 1
    assert all(request == engine.seen[0] for request in engine.seen)


async def test_an_answer_may_straddle_a_swap(connections: Connections, engine: Engine) -> None:
    spans = [{"version": "job-1:3", "start": 0, "end": 1}, {"version": "job-1:4", "start": 1, "end": 4}]
    engine.faults.append(respond(lambda body: engine.reply(body, weight_versions=spans)))
    answer = await ask(connections, engine.url, oldest=3)
    assert answer.version_spans == [
        VersionSpan(version=3, start=0, end=1),
        VersionSpan(version=4, start=1, end=4),
    ]


async def test_an_answer_half_by_old_weights_is_thrown_away(connections: Connections, engine: Engine) -> None:
    spans = [{"version": "job-1:2", "start": 0, "end": 1}, {"version": "job-1:3", "start": 1, "end": 4}]
    engine.faults.append(respond(lambda body: engine.reply(body, weight_versions=spans)))
    engine.version = "job-1:3"
    assert len((await ask(connections, engine.url, oldest=3)).version_spans) == 1


async def test_an_engine_without_spans_gives_one_version(connections: Connections, engine: Engine) -> None:
    engine.faults.append(respond(lambda body: engine.reply(body, weight_versions=[])))
    assert (await ask(connections, engine.url)).version_spans == [VersionSpan(version=0, start=0, end=4)]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(400, body={"error": {"message": "too long"}}), "engine_refused"),
        (status(404), "engine_refused"),
        (respond(lambda body: {"text": "no ids"}), "engine_contract"),
        (respond(lambda body: Engine.reply(SPEAKER, body, output_token_logprobs=[])), "engine_contract"),
        (respond(lambda body: Engine.reply(SPEAKER, body, output_token_logprobs=[[-1.0, 5, None]])), "engine_contract"),
        (
            respond(
                lambda body: Engine.reply(SPEAKER, body, weight_versions=[{"version": "job-1:0", "start": 0, "end": 2}])
            ),
            "engine_contract",
        ),
    ],
    ids=["400", "404", "no ids", "no log-probabilities", "other tokens", "spans too long"],
)
async def test_a_refusal_is_an_error_at_once(connections: Connections, engine: Engine, fault: Fault, code: str) -> None:
    engine.faults.append(fault)
    with pytest.raises(RolloutError) as caught:
        await ask(connections, engine.url)
    assert (caught.value.code, len(engine.seen)) == (code, 1)


@pytest.mark.parametrize(("version", "code"), [("job-1:0", "stale_policy|no_replica"), (None, "engine_unreachable")])
async def test_retries_end_before_the_deadline(
    connections: Connections, engine: Engine, version: str | None, code: str
) -> None:
    if version is None:
        await engine.stop()
    with pytest.raises(Unavailable) as caught:
        async with asyncio.timeout(20):
            await ask(connections, engine.url, seconds=0.4, oldest=1)
    assert caught.value.code in code.split("|")


async def test_a_connection_that_died_without_a_word_leaves_time_to_ask_again(
    connections: Connections, engine: Engine, wrong: list[int]
) -> None:
    engine.talking.clear()
    asking = asyncio.create_task(ask(connections, engine.url, seconds=6.0))
    async with asyncio.timeout(5.9):
        while len(engine.seen) < 2:  # noqa: ASYNC110 - there is nothing to be notified by
            await asyncio.sleep(0.02)
    engine.talking.set()
    assert (await asking).token_ids == wrong
