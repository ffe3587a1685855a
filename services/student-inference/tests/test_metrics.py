"""What /metrics says, by SGLang's names, against what was done."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from student_inference.metrics import EngineCollector, Latencies
from student_inference.request import Request

from .conftest import StartEngine
from .local import LocalEngine, load, params

PROMPT = list(range(2, 26))
CACHED = 16  # whole blocks of eight before the last token, which must be computed


def figures(engine: LocalEngine) -> dict[str, float]:
    return {
        sample.name.removeprefix("sglang:"): sample.value
        for metric in EngineCollector(engine.engine).collect()
        for sample in metric.samples
    }


def test_every_figure_is_what_was_done(student: Path, other_student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student, max_running=1)
    for _ in range(2):
        engine.generate([PROMPT])
    engine.command(lambda: engine.engine.pause("in_place"))
    waiting = engine.submit([5, 6])
    engine.command(lambda: engine.engine.abort(waiting.rid))
    engine.command(lambda: engine.engine.swap(load(other_student), "v1", True))
    engine.close()
    engine.engine.counters.throughput = 12.5
    assert figures(engine) == {
        "num_running_reqs": 0,
        "num_queue_reqs": 0,
        "num_used_tokens": 0,
        "max_total_num_tokens": 4096,
        "token_usage": 0,
        "gen_throughput": 12.5,
        "cache_hit_rate": CACHED / (2 * len(PROMPT)),
        "prompt_tokens_total": 2 * len(PROMPT),
        "cached_tokens_total": CACHED,
        "generation_tokens_total": 2 * 6,
        "num_requests_total": 3,
        "num_aborted_requests_total": 1,
        "num_weight_updates_total": 1,
    }


def test_no_more_requests_run_than_are_allowed_and_the_others_wait(student: Path, start_engine: StartEngine) -> None:
    engine = start_engine(student, max_running=2)
    requests = [Request(str(token), [token], params(max_new_tokens=16)) for token in range(2, 7)]
    engine.command(lambda: engine.engine.scheduler.waiting.extend(requests))
    engine.command(lambda: engine.engine.pause("in_place"))
    now = figures(engine)
    assert (now["num_running_reqs"], now["num_queue_reqs"]) == (2, 3)
    blocks = 2 * 3  # of eight positions: room for one token and sixteen more, each
    assert (now["num_used_tokens"], now["token_usage"]) == (8 * blocks, 8 * blocks / 4096)
    engine.command(engine.engine.resume)
    engine.wait(5)


def test_latencies_count_from_the_arrival() -> None:
    registry = CollectorRegistry()
    latencies = Latencies(registry)
    request = Request("r", [2], params())
    request.arrived, request.first_token_at, request.finished_at = 10.0, 10.3, 12.0
    latencies.observe(request)
    sums = [
        registry.get_sample_value(f"sglang:{name}_seconds_sum")
        for name in ("time_to_first_token", "e2e_request_latency")
    ]
    assert sums == pytest.approx([0.3, 2.0])
