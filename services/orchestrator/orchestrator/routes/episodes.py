"""Episodes: lists, and one with its whole dialogue."""

from typing import Annotated

from contracts.episode_views import EpisodeOutcome, EpisodeSummary, EpisodeView
from contracts.episodes import Episode, Purpose
from contracts.errors import Problem
from contracts.trials import EpisodeRequest
from contracts.views import Page
from fastapi import APIRouter, Body, Depends, Path, Query
from servicekit.openapi import problems
from servicekit.strict import exact_body
from tasks.base import Message, Question

from orchestrator.batches import Batches
from orchestrator.dialogue import episode_view, outcome_of, summary
from orchestrator.job_row import JobRow
from orchestrator.questions import QuestionShelf
from orchestrator.routes.common import JOB_PROBLEMS, Deps, JobOfPath, job_of, page
from orchestrator.routes.examples import EPISODE_REQUESTS

# A second or two of reading and decoding.
MOST_SCANNED = 20_000
EpisodeId = Annotated[
    str,
    Path(
        description="job/purpose/step/question/sample, as the lists have it.",
        examples=["job-0123456789ab/train/1/materials-17/0"],
    ),
]
router = APIRouter(prefix="/v1", tags=["episodes"])


@router.get("/jobs/{job_id}/episodes", responses=JOB_PROBLEMS)
async def list_episodes(
    row: JobOfPath,
    services: Deps,
    purpose: Purpose = "train",
    step: Annotated[int | None, Query(ge=0, le=10**9)] = None,
    outcome: EpisodeOutcome | None = None,
    attempts: Annotated[int | None, Query(ge=0, le=16, description="Only episodes of this many attempts.")] = None,
    after: Annotated[str | None, Query(description="Episode id: only episodes that arrived later.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Page[EpisodeSummary]:
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


@router.post("/episodes", responses=problems(429), dependencies=[Depends(exact_body(EpisodeRequest))])
async def run_episode(
    request: Annotated[EpisodeRequest, Body(openapi_examples=EPISODE_REQUESTS)], services: Deps
) -> EpisodeView:
    """One episode now, on the weights that the engine serves; nothing of it is kept, but its teacher is paid.

    An episode that could not be completed is an answer too: outcome `failed`, with its failure.
    """
    trial = await services.trials.run(request)
    return episode_view(trial.question, trial.prompt, trial.episode)


@router.get("/episodes/{episode_id:path}", responses=problems(404))
async def get_episode(
    services: Deps,
    episode_id: EpisodeId,
    tokens: Annotated[bool, Query(description="Add the text of every token of the attempts.")] = False,
) -> EpisodeView:
    """One episode: question, dialogue, and every attempt with tokens, log-probabilities, policy versions and credit.

    `credit` has the decayed reward and the advantages of each attempt; null until the step is trained.
    """
    job_id, purpose, step = parse_episode_id(episode_id)
    entry = await entry_of(services.batches, episode_id)
    episode = await services.batches.episode_at(job_id, purpose, entry)
    row = await job_of(job_id, services)
    question, prompt = await asked_of(services.shelf, row, episode)
    credits = await services.batches.credits(job_id, step, [episode_id]) if purpose == "train" else {}
    model = row.student_model if tokens else None
    texts = await services.token_texts.of(model, episode) if model else None
    return episode_view(question, prompt, episode, credits.get(episode_id), texts)


async def asked_of(shelf: QuestionShelf, row: JobRow, episode: Episode) -> tuple[Question | None, list[Message]]:
    """The question and its prompt; nothing where the task's data is gone, or nobody can read what the task is."""
    if row.task is None:
        return None, []
    try:
        questions = await shelf.of(row.id, row.task)
        question = questions.find(episode.question_id)
    except Problem:
        return None, []
    return question, questions.task.messages(question) if question else []


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
