"""One episode (paper section 1): the student answers; while it is wrong, the teacher guides it to another attempt."""

import asyncio
import time
from dataclasses import dataclass

from contracts.episodes import Episode, Failure
from contracts.manifests import ManifestEntry
from contracts.packed import TokenIds

from orchestrator.rollout.dialogue import Dialogue
from orchestrator.rollout.plan import Plan
from orchestrator.rollout.retries import RolloutError
from orchestrator.rollout.student import Answer, Student
from orchestrator.rollout.teacher import Teacher
from orchestrator.rollout.verification import Verification


@dataclass(frozen=True)
class Parties:
    """Who takes part in an episode beside its plan."""

    student: Student
    teacher: Teacher
    verification: Verification


async def roll_out(plan: Plan, entry: ManifestEntry, parties: Parties) -> Episode:
    """Make the episode of a manifest entry. One that cannot be completed is a recorded failure, with what was made.

    Raises BudgetExhausted, and then there is no episode yet: it is made when the job goes on.
    """
    dialogue = Dialogue(plan, entry)
    deadline = asyncio.get_running_loop().time() + plan.timeout_seconds
    try:
        async with asyncio.timeout_at(deadline):
            await attempt_until_over(dialogue, parties, deadline)
    except RolloutError as error:
        return dialogue.close(Failure(code=error.code, detail=error.detail))
    except TimeoutError:
        detail = f"the episode took longer than rollout.episode_timeout_seconds ({plan.timeout_seconds:g} s)"
        return dialogue.close(Failure(code="deadline", detail=detail))
    return dialogue.close()


def failed_episode(plan: Plan, entry: ManifestEntry, failure: Failure, started_at: float) -> Episode:
    """The record of an episode that could not even begin."""
    return Episode(
        episode_id=entry.episode_id,
        job_id=plan.job.job_id,
        purpose=plan.purpose,
        step=plan.step,
        question_id=entry.question_id,
        sample=entry.sample,
        prompt_token_ids=TokenIds.of([]),
        attempts=[],
        guidances=[],
        failure=failure,
        started_at=started_at,
        finished_at=time.time(),
    )


async def attempt_until_over(dialogue: Dialogue, parties: Parties, deadline: float) -> None:
    """c(k+1) = c(k) || y(k) || f(k) until an answer is right, K is reached, or another would not fit the context."""
    while True:
        policy = dialogue.plan.policy
        answer = await parties.student.answer(
            dialogue.context_ids, dialogue.sampling(), policy, dialogue.prefix, deadline
        )
        await verify(dialogue, answer, parties.verification)
        if dialogue.over:
            return
        guidance = await parties.teacher.guide(dialogue.guidance_request(), deadline)
        if not dialogue.add_guidance(guidance):
            return


async def verify(dialogue: Dialogue, answer: Answer, verification: Verification) -> None:
    """delta(k) = correct(y(k), G); an answer that hit the length limit counts as wrong (paper section 3)."""
    text = dialogue.text_of(answer)
    if answer.finish_reason == "length":
        dialogue.add_answer(answer, text, "truncated")
        return
    outcome = await verification.check(dialogue.plan.job.task_spec, dialogue.question, text)
    dialogue.add_answer(answer, text, outcome)
