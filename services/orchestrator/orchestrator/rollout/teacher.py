"""The teacher gateway (`POST /v1/guidance`). It owns the retries towards teachers; here only the gateway is retried."""

import msgspec
from contracts.guidance import GuidanceRequest, GuidanceResponse
from pydantic import SecretStr, ValidationError
from servicekit.http_client import Connections
from servicekit.http_connection import Reply

from orchestrator.rollout.door import Door
from orchestrator.rollout.retries import BudgetExhausted, RolloutError, Unavailable, ask_until, seconds_for_a_try

BUDGET_EXHAUSTED = "budget_exhausted"
PASSING_STATUSES = frozenset({429, 503})


class _Problem(msgspec.Struct):
    code: str = "gateway_refused"
    detail: str = ""


class Teacher:
    """Client of the gateway."""

    def __init__(self, connections: Connections, url: str, key: SecretStr | None = None) -> None:
        self.door = Door(connections, f"{url.rstrip('/')}/v1/guidance", "gateway_unreachable", key)

    async def guide(self, request: GuidanceRequest, deadline: float) -> GuidanceResponse:
        """Guidance on a wrong answer; asks again while the gateway is away or busy, as late as it asks for.

        deadline: in the event loop's time. Raises RolloutError with the gateway's own code and words, BudgetExhausted
        when the job is to pause.
        """
        body = request.model_dump_json().encode()

        async def ask() -> GuidanceResponse:
            # The gateway gives up by itself at the teacher's deadline; to ask again before may pay twice.
            seconds = max(seconds_for_a_try(deadline), request.teacher.timeout_seconds)
            return read_guidance(await self.door.post(body, seconds))

        return await ask_until(deadline, ask)


def read_guidance(reply: Reply) -> GuidanceResponse:
    """Check one reply of the gateway. Raises Unavailable for 429 and 503, BudgetExhausted, else RolloutError."""
    if reply.status != 200:
        problem = _problem(reply)
        if problem.code == BUDGET_EXHAUSTED:
            raise BudgetExhausted(problem.detail)
        if reply.status in PASSING_STATUSES:
            raise Unavailable(problem.code, problem.detail, reply.retry_after)
        raise RolloutError(problem.code, problem.detail)
    try:
        return GuidanceResponse.model_validate_json(reply.body)
    except ValidationError as error:
        raise RolloutError("gateway_contract", f"the teacher gateway's reply breaks its contract: {error}") from error


def _problem(reply: Reply) -> _Problem:
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    problem.detail = problem.detail or f"the teacher gateway answered {reply.status}: {reply.shown}"
    return problem
