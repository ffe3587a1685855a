"""Episodes: lists, and one with its whole dialogue."""

from typing import Annotated, Any

from contracts.episodes import Episode, Purpose
from contracts.errors import Problem
from contracts.views import Page
from fastapi import APIRouter, Query

from orchestrator.batches import Batches
from orchestrator.dialogue import EpisodeOutcome, dialogue, outcome_of, question_view, summary
from orchestrator.job_row import JobRow
from orchestrator.questions import QuestionShelf
from orchestrator.routes.common import Deps, JobOfPath, job_of, page, plain

router = APIRouter(prefix="/v1", tags=["episodes"])


@router.get("/jobs/{job_id}/episodes")
async def list_episodes(
    row: JobOfPath,
    services: Deps,
    purpose: Purpose = "train",
    step: Annotated[int | None, Query(ge=0)] = None,
    outcome: EpisodeOutcome | None = None,
    after: Annotated[str | None, Query(description="Episode id: only episodes that arrived later.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Page[dict[str, Any]]:
    """Episodes in order of arrival, in short. `outcome` is that of the last attempt, or `failed`."""
    behind = await entry_of(services.batches, after) if after else None
    shown: list[Episode] = []
    async for _, episode in services.batches.scan(row.id, purpose, step, behind):
        if outcome in (None, outcome_of(episode)):
            shown.append(episode)
        if len(shown) > limit:
            break
    return page([summary(episode) for episode in shown], [episode.episode_id for episode in shown], limit)


@router.get("/episodes/{episode_id:path}")
async def get_episode(
    services: Deps,
    episode_id: str,
    tokens: Annotated[bool, Query(description="Add the text of every token of the attempts.")] = False,
) -> dict[str, Any]:
    """One episode: question, dialogue, and every attempt with tokens, log-probabilities, policy versions and credit.

    `credit` has the decayed reward and the advantages of each attempt; null until the step is trained.
    """
    job_id, purpose, step = parse_episode_id(episode_id)
    entry = await entry_of(services.batches, episode_id)
    episode = await services.batches.episode_at(job_id, purpose, entry)
    row = await job_of(job_id, services)
    credits = await services.batches.credits(job_id, step, [episode_id]) if purpose == "train" else {}
    return {
        **await whole(services.shelf, row, episode),
        "credit": plain(credits[episode_id]) if episode_id in credits else None,
        "tokens": await services.token_texts.of(row.spec.student.model, episode) if tokens else None,
    }


async def whole(shelf: QuestionShelf, row: JobRow, episode: Episode) -> dict[str, Any]:
    """Everything about an episode; without its question where the task's data is gone."""
    try:
        questions = await shelf.of(row.id, row.spec.task)
        question = questions.find(episode.question_id)
    except Problem:
        question = None
    prompt = questions.task.messages(question) if question else []
    return {
        "object": "episode",
        "outcome": outcome_of(episode),
        "question": question_view(question) if question else None,
        "dialogue": dialogue(prompt, episode),
        **plain(episode),
    }


async def entry_of(batches: Batches, episode_id: str) -> str:
    """Where the episode is in its stream. Raises a 404 Problem."""
    entry = await batches.entry_id(*parse_episode_id(episode_id), episode_id)
    if entry is None:
        raise not_found(episode_id)
    return entry


def parse_episode_id(episode_id: str) -> tuple[str, Purpose, int]:
    """(job id, purpose, step) of job/purpose/step/question/sample. Raises a 404 Problem for anything else."""
    job_id, _, rest = episode_id.partition("/")
    purpose, _, rest = rest.partition("/")
    step = rest.partition("/")[0]
    if not step.isdecimal() or len(step) > 18:
        raise not_found(episode_id)
    if purpose == "train":
        return job_id, "train", int(step)
    if purpose == "eval":
        return job_id, "eval", int(step)
    raise not_found(episode_id)


def not_found(episode_id: str) -> Problem:
    """The 404 of an episode."""
    detail = f"There is no episode {episode_id[:200]!r}; GET /v1/jobs/{{id}}/episodes lists those that arrived."
    return Problem(404, "episode_not_found", detail, field="episode_id")
