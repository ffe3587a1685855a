"""HTTP of the money: what was spent, and what will be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from contracts.budgets import Caps
from contracts.errors import Problem
from contracts.prompts import NAMES
from contracts.teachers import TeacherSpec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from servicekit.openapi import problems

from teacher_gateway.money.amounts import NANOS_PER_USD, Amount, Limits, limits_of
from teacher_gateway.money.forecast import Forecast, Plan, forecast
from teacher_gateway.money.ledger import Ledger
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.prompt import load_template, own_template

router = APIRouter(prefix="/v1", tags=["money"])


class Used(BaseModel):
    """An amount as users read it."""

    usd: float
    tokens: int
    requests: int


class Budget(BaseModel):
    """What a job has spent on teachers. Caps are kept on `held`."""

    object: Literal["budget"] = "budget"
    job_id: str
    settled: Used = Field(description="Known to be used.")
    held: Used = Field(description="With the worst case of calls in flight, and of calls lost with their gateway.")
    caps: Caps = Field(description="Caps that were set anew with PUT; where null, the job's own holds.")
    usd_by_teacher: dict[str, float]
    usd_by_provider: dict[str, float]
    usd_by_step: dict[str, float] = Field(description="`train/3` or `eval/10` to USD.")
    usd_by_episode: dict[str, float] = Field(description="Empty unless asked for with ?episodes=true.")


class ForecastRequest(BaseModel):
    """Which teacher a job wants, and how often it will ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: TeacherSpec
    plans: list[Plan] = Field(min_length=1, max_length=16, description="Training, and evaluations.")


async def ledger_if_any(request: Request) -> Ledger | None:
    """The ledger, where this gateway has one."""
    ledger: Ledger | None = request.app.state.ledger
    return ledger


@contextmanager
def ledger_errors() -> Iterator[None]:
    """A ledger that does not answer becomes a 503."""
    try:
        yield
    except RedisError as error:
        raise Problem(503, "ledger_unreachable", "The ledger (Redis) does not answer.", retry_after=1) from error


async def ledger_of(request: Request) -> Ledger:
    """The ledger. Raises a 409 where this gateway has none."""
    ledger = await ledger_if_any(request)
    if ledger is None:
        raise Problem(409, "no_ledger", "This gateway counts no spending; set TEACHER_GATEWAY_REDIS_URL.")
    return ledger


@router.get("/budgets/{job_id}", responses=problems(409))
async def read_budget(
    job_id: str, ledger: Annotated[Ledger, Depends(ledger_of)], episodes: Annotated[bool, Query()] = False
) -> Budget:
    """Spending of a job by teacher, provider, step and episode; zeros for a job that asked no teacher yet."""
    scope = f"job:{job_id}"
    with ledger_errors():
        spending, costs, caps = await ledger.spending(scope), await ledger.costs(job_id), await ledger.caps(scope)
    return Budget(
        job_id=job_id,
        caps=_caps(caps),
        settled=used(spending.settled),
        held=used(spending.held),
        usd_by_teacher=_below(costs, "teacher/"),
        usd_by_provider=_below(costs, "provider/"),
        usd_by_step=_below(costs, "step/"),
        usd_by_episode=_below(costs, "episode/") if episodes else {},
    )


@router.put("/budgets/{job_id}", responses=problems(409))
async def set_budget(job_id: str, caps: Caps, ledger: Annotated[Ledger, Depends(ledger_of)]) -> Budget:
    """Set a job's caps anew, as before resuming one that paused with budget_exhausted. Null leaves a cap as it is.

    A cap holds only where the job's own budget has one of the same kind: a job without a budget stays without.
    """
    with ledger_errors():
        await ledger.set_caps(f"job:{job_id}", limits_of(caps))
    return await read_budget(job_id, ledger)


@router.post("/forecast")
async def forecast_spending(asked: ForecastRequest, request: Request) -> Forecast:
    """The range of what a job's teacher will use; for a dry run."""
    book: TermsBook = request.app.state.terms
    template = own_template(asked.teacher.prompt) if asked.teacher.prompt else load_template()
    return forecast(
        asked.plans,
        len(template.render(dict.fromkeys(NAMES - {"ground_truth"}, "")).encode()),
        asked.teacher.max_guidance_tokens,
        book.first_tariff(asked.teacher),
    )


def _caps(limits: Limits) -> Caps:
    usd = None if limits.nanos is None else limits.nanos / NANOS_PER_USD
    return Caps(usd=usd, tokens=limits.tokens, requests=limits.requests)


def used(amount: Amount) -> Used:
    """As users read it."""
    return Used(usd=amount.usd, tokens=amount.tokens, requests=amount.requests)


def _below(costs: dict[str, int], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): nanos / NANOS_PER_USD for name, nanos in costs.items() if name.startswith(prefix)
    }
