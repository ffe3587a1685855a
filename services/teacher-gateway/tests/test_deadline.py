"""How long a guidance may take, by a clock that the test sets forward: nothing here waits."""

import asyncio
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import yaml
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

from .scripted import STALL, ScriptedTeacher, compatible, guidance_request

LONG = 600.0  # the longest that a job may ask for
TURNS = 50  # of the event loop, in which whatever is due happens


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time the test sets forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def after(seconds: float) -> None:
    """What is due by then has happened."""
    cast(Clock, asyncio.get_running_loop()).ahead += seconds
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def stalled(settings: GatewaySettings, teachers: list[ScriptedTeacher], spec: dict[str, Any]) -> None:
    """All but the last tenth of the deadline passes at the first teacher, or in equal shares; then it ends."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as gateway,
    ):
        asked = asyncio.create_task(gateway.post("/v1/guidance", json=guidance_request(spec)))
        for teacher in teachers:
            await teacher.arrivals.acquire()
            await after(0.9 * LONG / len(teachers))
            assert not asked.done()
            await after(0.1 * LONG / len(teachers))
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (504, "teacher_timeout")


@pytest.mark.parametrize("rungs", [1, 2])
def test_guidance_takes_as_long_as_the_job_allows_and_no_longer(rungs: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        teachers = [ScriptedTeacher((STALL,)) for _ in range(rungs)]
        for teacher in teachers:
            await teacher.start()
        await stalled(*set_up(teachers, tmp_path / "teachers.yaml"))
        for teacher in teachers:
            await teacher.stop()

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(scenario())


def set_up(
    teachers: list[ScriptedTeacher], file: Path
) -> tuple[GatewaySettings, list[ScriptedTeacher], dict[str, Any]]:
    """One teacher that the job names by its address, or a ladder."""
    if len(teachers) == 1:
        return GatewaySettings(), teachers, compatible(teachers[0].base_url, timeout_seconds=LONG)
    providers = {
        f"p{place}": {"kind": "openai_compatible", "base_url": it.base_url} for place, it in enumerate(teachers)
    }
    named: dict[str, dict[str, Any]] = {f"t{place}": {"provider": f"p{place}", "model": "m"} for place in range(2)}
    named["t0"]["ladder"] = ["t1"]
    file.write_text(yaml.safe_dump({"providers": providers, "teachers": named}))
    return GatewaySettings(teachers_file=file), teachers, {"name": "t0", "timeout_seconds": LONG}
