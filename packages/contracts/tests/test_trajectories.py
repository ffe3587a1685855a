"""The episode as one token sequence."""

from typing import Any

from contracts.episodes import Attempt, Episode, Guidance, VersionSpan
from contracts.trajectories import CONTEXT, trajectory_of
from hypothesis import given
from hypothesis import strategies as st


def attempt(token_ids: list[int], logprobs: list[float], spans: list[tuple[int, int, int]]) -> Attempt:
    return Attempt(
        token_ids=token_ids,
        logprobs=logprobs,
        version_spans=[VersionSpan(version=version, start=start, end=end) for version, start, end in spans],
        text="",
        outcome="wrong",
        reward=0.0,
        finish_reason="stop",
        latency_seconds=0.0,
    )


def guidance(token_ids: list[int]) -> Guidance:
    counts: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0, "price_usd": 0.0, "latency_seconds": 0.0}
    return Guidance(token_ids=token_ids, text="", provider="retry", model="", **counts)


def episode(prompt: list[int], attempts: list[Attempt], guidances: list[Guidance]) -> Episode:
    return Episode(
        episode_id="j/train/1/q/0",
        job_id="j",
        purpose="train",
        step=1,
        question_id="q",
        sample=0,
        prompt_token_ids=prompt,
        attempts=attempts,
        guidances=guidances,
        started_at=0.0,
        finished_at=0.0,
    )


def test_prompt_attempt_guidance_attempt() -> None:
    """Written out by hand; the first attempt straddles a weight swap."""
    first = attempt([21, 22, 23], [-1.0, -2.0, -3.0], [(7, 0, 2), (8, 2, 3)])
    second = attempt([41], [-4.0], [(8, 0, 1)])
    trajectory = trajectory_of(episode([11, 12], [first, second], [guidance([31, 32])]))
    assert trajectory.token_ids_T == [11, 12, 21, 22, 23, 31, 32, 41]
    assert trajectory.attempt_T == [0, 0, 1, 1, 1, 0, 0, 2]
    assert trajectory.logprobs_T == [0.0, 0.0, -1.0, -2.0, -3.0, 0.0, 0.0, -4.0]
    assert trajectory.version_T == [-1, -1, 7, 7, 8, -1, -1, 8]


def test_guidance_that_no_attempt_followed_is_left_out() -> None:
    """A failed episode may end after its guidance; context without an answer behind it trains nothing."""
    trajectory = trajectory_of(episode([1], [attempt([2], [-1.0], [(0, 0, 1)])], [guidance([3])]))
    assert trajectory.token_ids_T == [1, 2]


lengths = st.lists(st.integers(1, 4), min_size=0, max_size=4)


@given(st.integers(1, 4), lengths, st.integers(1, 3))
def test_only_student_tokens_carry_loss(prompt: int, answers: list[int], hint: int) -> None:
    attempts = [attempt([100 + k] * n, [-float(k)] * n, [(k, 0, n)]) for k, n in enumerate(answers, start=1)]
    trajectory = trajectory_of(episode([1] * prompt, attempts, [guidance([2] * hint)] * max(len(answers) - 1, 0)))
    rows = zip(trajectory.token_ids_T, trajectory.attempt_T, trajectory.logprobs_T, trajectory.version_T, strict=True)
    student = [(token, k) for token, k, logprob, version in rows if k != CONTEXT and (logprob, version) == (-k, k)]
    assert student == [(100 + k, k) for k, n in enumerate(answers, start=1) for _ in range(n)]
    assert trajectory.attempt_T.count(CONTEXT) == prompt + hint * max(len(answers) - 1, 0)
