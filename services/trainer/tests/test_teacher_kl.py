"""The KL to a scoring teacher: against an enumeration of the true one, and what happens when there are no scores."""

import json
import math
from collections.abc import Callable
from itertools import product

import pytest
from contracts.jobs import JobSpec
from contracts.teachers import TeacherKlSpec
from contracts.trajectories import Trajectory
from pytest_httpserver import HTTPServer
from trainer.teacher_kl import TeacherKl
from werkzeug import Request, Response

SPEC = TeacherKlSpec.model_validate({"teacher": {"name": "big"}, "engine": "vllm", "episodes": 4})
# Two tokens after one of context, each 0 or 1, by students and teachers without memory.
STUDENT, TEACHER = (0.25, 0.75), (0.5, 0.5)


def sampled(*tokens: int) -> Trajectory:
    """Context 7, two sampled tokens, guidance 8, one more sampled token."""
    first, second, third = tokens
    logs = [math.log(STUDENT[token]) for token in tokens]
    return Trajectory([7, first, second, 8, third], [0, 1, 1, 0, 2], [0.0, *logs[:2], 0.0, logs[2]], [-1, 0, 0, -1, 0])


def scores(request: Request) -> Response:
    asked = request.get_json()
    logs = [math.log(TEACHER[token]) if token < 2 else -99.0 for token in asked["token_ids"][asked["start"] :]]
    return Response(json.dumps({"object": "score", "start": asked["start"], "logprobs": logs}))


def test_the_mean_over_all_samples_is_the_kl(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/score").respond_with_handler(scores)
    kl = TeacherKl(httpserver.url_for("/"), SPEC)
    expected = sum(p * math.log(p / q) for p, q in zip(STUDENT, TEACHER, strict=True))
    weighted = 0.0
    for tokens in product((0, 1), repeat=3):
        found = kl.measure([sampled(*tokens)])
        assert found is not None
        weighted += math.prod(STUDENT[token] for token in tokens) * found
    assert weighted == pytest.approx(expected)


def test_the_first_episodes_are_scored_as_the_job_says(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/score").respond_with_handler(scores)
    assert TeacherKl(httpserver.url_for("/"), SPEC).measure([sampled(0, 1, 0)] * 9) is not None
    bodies = [request.get_json() for request, _ in httpserver.log]
    assert len(bodies) == 4
    assert (bodies[0]["engine"], bodies[0]["teacher"]["name"]) == ("vllm", "big")
    assert (bodies[0]["token_ids"], bodies[0]["start"]) == ([7, 0, 1, 8, 0], 1)


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (lambda request: Response("{}", 501), 1),  # never possible: not asked again
        (lambda request: Response("{}", 502), 2),
        (lambda request: Response(json.dumps({"logprobs": [-1.0]})), 2),
        (lambda request: Response("<html>"), 2),
    ],
    ids=["501", "502", "too-few", "html"],
)
def test_without_scores_there_is_no_figure_and_no_failure(
    httpserver: HTTPServer, answer: Callable[[Request], Response], asked: int
) -> None:
    httpserver.expect_request("/v1/score").respond_with_handler(answer)
    kl = TeacherKl(httpserver.url_for("/"), SPEC)
    assert [kl.measure([sampled(0, 0, 0)]) for _ in range(2)] == [None, None]
    assert len(httpserver.log) == asked


def test_a_gateway_that_is_away_costs_the_figure_only() -> None:
    assert TeacherKl("http://127.0.0.1:1", SPEC).measure([sampled(0, 0, 0)]) is None


def test_another_temperature_is_refused_with_the_fix() -> None:
    spec = {
        "name": "kl",
        "student": {"model": "m"},
        "task": {"name": "materials"},
        "rollout": {"temperature": 0.7},
        "training": {"steps": 1, "teacher_kl": {"teacher": {"name": "big"}, "engine": "vllm"}},
    }
    with pytest.raises(ValueError, match=r"rollout.temperature 1"):
        JobSpec.model_validate(spec)
