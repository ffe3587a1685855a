"""Answers to a task whose check can be made to hang, crash or lie: the loop goes on, each answer gets its outcome."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest
from contracts.jobs import TaskSpec
from orchestrator.rollout import verification as rules
from orchestrator.rollout.verification import BATCH_ANSWERS, JUDGES, Verification
from tasks.base import Question
from tasks.judge import Request

# An installed package that offers the task `obedient`, whose check does what the answer says.
TASK = """
import os, re, time
from pydantic import BaseModel
from tasks.base import Verdict
from tasks.registry import TaskKind

class Options(BaseModel):
    pass

class Obedient:
    name = "obedient"
    def train_questions(self): return []
    def test_questions(self): return []
    def messages(self, question): return []
    def verify(self, question, answer_text):
        if answer_text == "hang": time.sleep(600)
        if answer_text == "backtrack": re.match(r"(a+)+$", "a" * 64 + "!")
        if answer_text == "die": os._exit(1)
        if answer_text == "raise": raise ValueError("no such answer")
        if answer_text == "hoard": bytes(6 * 2**30)
        if answer_text == "print": print('{"outcome": "correct"}')
        return Verdict("correct" if answer_text == question.answer else "wrong")

def create(options, roots):
    with open(os.path.join(os.path.dirname(__file__), "made"), "a") as made:
        made.write("x")
    return Obedient()

KIND = TaskKind("obedient", "Does what an answer says.", Options, create)
"""
SPEC = TaskSpec(name="obedient").model_dump_json()
QUESTION = Question("q", "obedience", "What?", "right")
SHORT_SECONDS = 1.5
# Each of two slow answers is waited for twice, once with others and once alone; the rest is for a busy machine.
PATIENCE_SECONDS = 40.0


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that start from here on have the task."""
    (tmp_path / "obedient.py").write_text(TASK)
    metadata = tmp_path / "obedient-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: obedient\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[socratic.tasks]\nobedient = obedient:KIND\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
async def obedient(installed: None) -> AsyncIterator[Verification]:
    opened = Verification([])
    # Enough for every judge, so that each has loaded the task.
    await asyncio.gather(*[opened.check(SPEC, QUESTION, "right") for _ in range(2 * JUDGES * BATCH_ANSWERS)])
    yield opened
    await opened.close()


async def test_outcomes_are_those_of_the_task(obedient: Verification) -> None:
    assert await obedient.check(SPEC, QUESTION, "right") == "correct"
    assert await obedient.check(SPEC, QUESTION, "left") == "wrong"
    assert await obedient.check(SPEC, QUESTION, "print") == "wrong"
    assert await obedient.check(SPEC, QUESTION, "right") == "correct"


async def test_each_judge_makes_a_task_once(obedient: Verification, tmp_path: Path) -> None:
    assert await obedient.check(SPEC, QUESTION, "right") == "correct"
    assert (tmp_path / "made").read_text() == "x" * JUDGES


@pytest.mark.parametrize("answer", ["die", "raise", "hoard"])
async def test_a_check_that_breaks_is_unverified_and_the_next_one_is_made(obedient: Verification, answer: str) -> None:
    assert await obedient.check(SPEC, QUESTION, answer) == "unverified"
    assert await obedient.check(SPEC, QUESTION, "right") == "correct"


@pytest.mark.parametrize("answer", ["hang", "backtrack"])
async def test_slow_answers_hold_nobody_up(
    obedient: Verification, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    before = {judge.process.pid for judge in obedient.judges if judge.process}
    monkeypatch.setattr(rules, "VERIFY_SECONDS", SHORT_SECONDS)
    answers = [answer, *["right"] * 20, answer, *["left"] * 20]
    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(*[obedient.check(SPEC, QUESTION, given) for given in answers])
    assert outcomes == ["unverified", *["correct"] * 20, "unverified", *["wrong"] * 20]
    gone = [pid for pid in before if not psutil.pid_exists(pid)]
    assert gone, "the judge of a slow answer lives on"


async def test_an_abandoned_check_gives_its_reply_to_nobody_else(obedient: Verification) -> None:
    abandoned = [asyncio.create_task(obedient.check(SPEC, QUESTION, "right")) for _ in obedient.judges]
    await asyncio.sleep(0)
    for task in abandoned:
        task.cancel()
    await asyncio.wait(abandoned)
    assert await obedient.check(SPEC, QUESTION, "left") == "wrong"
    assert await obedient.check(SPEC, QUESTION, "left") == "wrong"


async def test_no_process_is_left_behind(obedient: Verification) -> None:
    pids = {judge.process.pid for judge in obedient.judges if judge.process}
    assert len(pids) == len(obedient.judges)
    await obedient.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_answers_that_wait_together_go_to_one_judge_together(obedient: Verification) -> None:
    def read() -> list[int]:
        return [
            psutil.Process(judge.process.pid).io_counters().read_chars for judge in obedient.judges if judge.process
        ]

    before = read()
    await asyncio.gather(*[obedient.check(SPEC, QUESTION, "right") for _ in range(BATCH_ANSWERS // 2)])
    assert [now > then for now, then in zip(read(), before, strict=True)].count(True) == 1


LONELY = """
import sys
from tasks import judge
judge.LAST_RESORT_SECONDS = 1
judge.serve(sys.stdin.buffer, sys.stdout.buffer, [])
"""


def test_a_judge_that_hangs_ends_by_itself_when_nobody_is_left_to_kill_it(installed: None) -> None:
    line = msgspec.json.encode([Request(SPEC, QUESTION, "hang")]) + b"\n"
    done = subprocess.run([sys.executable, "-P", "-c", LONELY], input=line, timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM
