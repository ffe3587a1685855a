"""Episodes: lists, and one with its whole dialogue."""

from typing import Annotated, Any

from contracts.episodes import Episode, Purpose
from contracts.errors import Problem
from contracts.trials import EpisodeRequest
from contracts.views import Page
from fastapi import APIRouter, Query
from tasks.base import Message, Question

from orchestrator.batches import Batches
from orchestrator.dialogue import EpisodeOutcome, dialogue, outcome_of, question_view, summary
from orchestrator.job_row import JobRow
from orchestrator.questions import QuestionShelf
from orchestrator.routes.common import Deps, JobOfPath, job_of, page, plain

# A second or two of reading and decoding.
MOST_SCANNED = 20_000
router = APIRouter(prefix="/v1", tags=["episodes"])


@router.get("/jobs/{job_id}/episodes")
async def list_episodes(
    row: JobOfPath,
    services: Deps,
    purpose: Purpose = "train",
    step: Annotated[int | None, Query(ge=0)] = None,
    outcome: EpisodeOutcome | None = None,
    attempts: Annotated[int | None, Query(ge=0, le=16, description="Only episodes of this many attempts.")] = None,
    after: Annotated[str | None, Query(description="Episode id: only episodes that arrived later.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Page[dict[str, Any]]:
    """Episodes in order of arrival, in short. `outcome` is that of the last attempt, or `failed`.

    One request looks at MOST_SCANNED episodes at most; where filters leave few of them, a page may have less than
    `limit`, even none, and still has_more: go on behind its last_id.
    """
    behind = await entry_of(services.batches, after) if after else None
    shown: list[Episode] = []
    scanned, last_id = 0, after
    async for _, episode in services.batches.scan(row.id, purpose, step, behind):
        if outcome in (None, outcome_of(episode)) and attempts in (None, len(episode.attempts)):
            shown.append(episode)
        scanned, last_id = scanned + 1, episode.episode_id
        if len(shown) > limit or scanned == MOST_SCANNED:
            break
    found = page([summary(episode) for episode in shown], [episode.episode_id for episode in shown], limit)
    if scanned == MOST_SCANNED and not found.has_more:
        return found.model_copy(update={"has_more": True, "last_id": last_id})
    return found


@router.post("/episodes")
async def run_episode(request: EpisodeRequest, services: Deps) -> dict[str, Any]:
    """One episode now, on the weights that the engine serves; nothing of it is kept, but its teacher is paid.

    An episode that could not be completed is an answer too: outcome `failed`, with its failure.
    """
    trial = await services.trials.run(request)
    return episode_view(trial.question, trial.prompt, trial.episode)


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
    return episode_view(question, prompt, episode)


def episode_view(question: Question | None, prompt: list[Message], episode: Episode) -> dict[str, Any]:
    """An episode with what was asked."""
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
