"""Stopping, aborting, pausing and swapping."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from student_inference.alternatives import Wanted
from student_inference.engine import Engine
from student_inference.request import Request
from torch import Tensor

from .conftest import StartEngine
from .local import WAIT_SECONDS, LocalEngine, load, params
from .oracle import chosen, near, oracle_logprobs

LONG = params(max_new_tokens=100, temperature=1.0, seed=5)


def when(engine: LocalEngine, reached: int, request: Request) -> None:
    """Return when the request has at least `reached` tokens."""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(request.output) < reached:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_stop_token_ends_a_generation_before_its_length_does(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    [free] = engine.generate([[9, 8, 7]], params(max_new_tokens=5))
    assert free.finish == {"type": "length", "length": 5}
    stops = params(max_new_tokens=5, stop_ids=frozenset({free.output[2]}))
    stopped = engine.generate([[9, 8, 7]], stops)[0]
    first = free.output.index(free.output[2])
    assert stopped.output == free.output[: first + 1]
    assert stopped.finish == {"type": "stop", "matched": free.output[2]}
    last = params(max_new_tokens=1, stop_ids=frozenset({free.output[0]}))
    assert engine.generate([[9, 8, 7]], last)[0].finish == {"type": "stop", "matched": free.output[0]}


def test_min_new_tokens_suppresses_stops(student: Path, start_engine: StartEngine) -> None:
    stops = frozenset(range(0, 61, 2))
    sampling = params(max_new_tokens=30, min_new_tokens=10, stop_ids=stops, temperature=1.0)
    for request in start_engine(student).generate([[n, 3] for n in range(2, 20)], sampling):
        assert not stops & set(request.output[:10])
        assert len(request.output) > 10


def test_no_new_tokens_scores_the_prompt_only(student: Path, start_engine: StartEngine) -> None:
    [request] = start_engine(student).generate([[9, 8, 7]], params(max_new_tokens=0), logprob_start=0)
    assert (request.output, request.logprobs, len(request.prompt_logprobs)) == ([], [], 2)


def test_an_abort_keeps_the_tokens_so_far(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student, max_running=1)
    running, waiting = engine.submit([5, 6], LONG), engine.submit([5, 7], LONG)
    when(engine, 2, running)
    engine.command(lambda: engine.engine.pause("in_place"))
    engine.command(lambda: engine.engine.abort(waiting.rid))
    engine.command(lambda: engine.engine.abort(running.rid))
    assert [request.rid for request in engine.wait(2)] == [waiting.rid, running.rid]
    assert running.finish is not None
    assert (running.finish["type"], len(running.output) >= 2) == ("abort", True)
    assert waiting.finish is not None
    assert waiting.finish["message"] == "Abort in waiting queue"
    assert engine.engine.cache.available == engine.engine.cache.num_blocks
    engine.command(engine.engine.resume)
    assert len(engine.generate([[5, 6]])[0].output) == 6


@pytest.mark.parametrize("mode", ["retract", "in_place"])
def test_a_swap_keeps_requests_in_flight_and_spans_name_the_weights(
    student: Path, other_student: Path, start_engine: StartEngine, mode: str
) -> None:
    engine = start_engine(student)
    requests = [engine.submit(prompt, LONG) for prompt in ([5, 6], [7] * 20, list(range(2, 40)))]
    when(engine, 10, requests[0])
    engine.command(lambda: engine.engine.pause(mode))
    split = [len(request.output) for request in requests]
    engine.command(lambda: engine.engine.swap(load(other_student), "v1", True))
    engine.command(engine.engine.resume)
    engine.wait(3)
    for request, at in zip(requests, split, strict=True):
        assert request.version_spans == [("v0", at), ("v1", 100)][at == 0 :]
        assert request.retractions == (mode == "retract")
        before, after = (
            chosen(oracle_logprobs(path, request.tokens), request.prompt, request.output)
            for path in (student, other_student)
        )
        assert near(request.logprobs[:at], before[:at])
        # Kept in place, later tokens look at keys and values of the old weights: only a recomputed cache is exact.
        assert near(request.logprobs[at:], after[at:]) == (mode == "retract")


@pytest.mark.parametrize("flush", [True, False])
def test_what_requests_kept_over_a_swap_is_reused_by_nobody(
    student: Path, other_student: Path, start_engine: StartEngine, flush: bool
) -> None:
    """Kept in place, they go on to store keys and values that look at those of the old weights."""
    engine = start_engine(student)
    kept = engine.submit(list(range(2, 30)), params(max_new_tokens=200, temperature=1.0))
    when(engine, 1, kept)
    engine.command(lambda: engine.engine.pause("in_place"))
    assert kept.finish is None
    engine.command(lambda: engine.engine.swap(load(other_student), "v1", flush))
    engine.command(engine.engine.resume)
    engine.wait(1)
    [later] = engine.generate([kept.tokens])
    assert later.cached_tokens == 0
    assert near(later.logprobs, chosen(oracle_logprobs(other_student, later.tokens), later.prompt, later.output))


def test_a_place_in_the_batch_is_taken_while_the_others_go_on(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student, max_running=2)
    lengths = {"long": 200, "short": 4, "next": 4, "last": 4}
    requests = [Request(name, [5, 6], params(max_new_tokens=length)) for name, length in lengths.items()]
    engine.command(lambda: engine.engine.scheduler.waiting.extend(requests))
    assert [request.rid for request in engine.wait(4)] == ["short", "next", "last", "long"]


def test_log_probabilities_take_no_forward_pass_more(student: Path, start_engine: StartEngine) -> None:
    engine, passes = start_engine(student), 0
    forward = engine.engine.model.forward

    def counted(*arguments: Any, **options: Any) -> Tensor:
        nonlocal passes
        passes += 1
        return forward(*arguments, **options)

    engine.engine.model.forward = counted  # type: ignore[method-assign]
    [request] = engine.generate([[5, 6, 7]], params(max_new_tokens=9), logprob_start=0, wanted=Wanted(top=3))
    assert (len(request.logprobs), len(request.prompt_logprobs), passes) == (9, 2, 9)


def test_a_stopped_engine_gives_every_request_back(student: Path) -> None:
    engine = LocalEngine(student)
    requests = [engine.submit([5, 6], LONG) for _ in range(3)]
    engine.close()
    engine.wait(3)
    assert all(request.finish and request.finish["type"] in ("abort", "length") for request in requests)
    assert not engine.engine.alive


def test_a_cancelled_command_is_not_executed(student: Path, start_engine: StartEngine) -> None:
    engine, gate, executed = start_engine(student), threading.Event(), threading.Event()
    engine.engine.run(lambda: gate.wait(WAIT_SECONDS))
    assert engine.engine.run(executed.set).cancel()
    gate.set()
    assert engine.generate([[5, 6]])[0].output
    assert not executed.is_set()


def test_decoded_tokens_are_reused_right_while_others_still_run(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    engine.submit([9] * 30, params(max_new_tokens=200))
    attempt = engine.submit(list(range(3, 20)), params(max_new_tokens=24))
    assert engine.wait(1) == [attempt]
    context = [*attempt.tokens, 5]
    again = engine.submit(context)
    engine.wait(2)
    assert again.cached_tokens == len(attempt.tokens) // 8 * 8
    [fresh] = start_engine(student).generate([context])
    assert fresh.cached_tokens == 0
    assert again.output == fresh.output
    assert again.logprobs == pytest.approx(fresh.logprobs, abs=1e-4)


def test_flush_refuses_while_requests_run(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student)
    engine.generate([list(range(2, 30))])
    request = engine.submit([5, 6], LONG)
    when(engine, 1, request)
    engine.command(lambda: engine.engine.pause("in_place"))
    core: Engine = engine.engine
    if not request.finish:
        assert not engine.command(core.flush)
    engine.command(core.resume)
    engine.wait(1)
    assert engine.command(core.flush)
    assert engine.generate([list(range(2, 30))])[0].cached_tokens == 0


def test_weights_that_give_no_numbers_leave_nothing_behind(
    student: Path, tmp_path: Path, start_engine: StartEngine
) -> None:
    """A diverged policy, then a good one: what the first wrote into the cache must not reach the second."""
    diverged = Path(shutil.copytree(student, tmp_path / "diverged"))
    tensors = load_file(diverged / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"].fill_(3e38)
    save_file(tensors, diverged / "model.safetensors", {"format": "pt"})
    prompts = [[3 + number] * (5 + 3 * number) for number in range(6)]
    engine = start_engine(student, tokens=256)
    good = [request.output for request in engine.generate(prompts)]
    engine.command(lambda: engine.engine.swap(load(diverged), "bad", True))
    for request in [*engine.generate(prompts), *engine.generate(prompts)]:
        assert request.broken
        assert request.cached_tokens == 0
    engine.command(lambda: engine.engine.swap(load(student), "good", True))
    assert [request.output for request in engine.generate(prompts)] == good
