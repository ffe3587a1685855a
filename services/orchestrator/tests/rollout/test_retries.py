"""How long is waited between tries: noted instead of slept."""

import asyncio

import pytest
from orchestrator.rollout import retries
from orchestrator.rollout.retries import Unavailable, ask_until


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    noted: list[float] = []

    async def sleep(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    return noted


async def answer_after(failures: list[Unavailable]) -> str:
    """What is answered to the try behind these failures, long before the deadline."""
    left = iter(failures)

    async def ask() -> str:
        if failure := next(left, None):
            raise failure
        return "here"

    return await ask_until(asyncio.get_running_loop().time() + 1000, ask)


async def test_pauses_double_up_to_a_bound_with_jitter(slept: list[float]) -> None:
    assert await answer_after([Unavailable("away", "")] * 7) == "here"
    bounds = zip([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], slept, strict=True)
    assert all(least <= seconds <= 1.5 * least for least, seconds in bounds)
    assert len({round(seconds / slept[0], 6) for seconds in slept[5:]}) == 2, "who failed together comes apart"


async def test_what_the_other_side_asked_for_is_never_undercut(slept: list[float]) -> None:
    assert await answer_after([Unavailable("busy", "", retry_after=7.0)] * 20) == "here"
    assert min(slept) >= 7.0
