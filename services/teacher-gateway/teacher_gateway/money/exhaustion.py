"""What happens when a cap might be exceeded: the job decides."""

from contracts.errors import Problem
from contracts.guidance import RETRY_TEXT, GuidanceRequest

from teacher_gateway.providers.base import Reply
from teacher_gateway.seams import Call, Given, RungExhausted

BUDGET_EXHAUSTED = "budget_exhausted"


def exhausted(scope: str, cap: str, call: Call) -> Problem:
    """A RungExhausted where a lower rung may still be asked, else a 402 that ends the guidance."""
    of_teacher = scope.startswith("provider:")
    raised = "in the teachers file" if of_teacher else f"with PUT /v1/budgets/{call.request.job_id} of the gateway"
    detail = (
        f"The next call of {call.rung} might exceed the {cap} cap of {scope}; raise that cap {raised}, "
        "or set teacher.budget.when_exhausted to go on without this teacher."
    )
    budget = call.request.teacher.budget
    if of_teacher or (budget is not None and budget.when_exhausted == "ladder"):
        return RungExhausted(402, BUDGET_EXHAUSTED, detail, field="teacher.budget")
    return Problem(402, BUDGET_EXHAUSTED, detail, field="teacher.budget")


def price_unknown(call: Call) -> Problem:
    """A cap in USD on a teacher whose price is in no table."""
    detail = (
        f"Nobody knows the price of {call.request.teacher.model} at {call.request.teacher.base_url or call.provider}, "
        "so a cap in USD cannot be kept; give its price in the teachers file, or cap tokens or requests instead."
    )
    return Problem(422, "price_unknown", detail, field="teacher.budget.usd")


def without_guidance(problem: Problem, request: GuidanceRequest) -> Given:
    """The fixed retry text, if the job wants to go on without guidance; else raises the problem again."""
    budget = request.teacher.budget
    if problem.code != BUDGET_EXHAUSTED or budget is None or budget.when_exhausted == "pause":
        raise problem
    return retry_text()


def retry_text() -> Given:
    """The paper's text without guidance, labelled as what it is."""
    return Given("retry", "retry", Reply(RETRY_TEXT, model="fixed-text", prompted=False))
