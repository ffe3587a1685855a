"""HTTP of the teacher gateway."""

from typing import Annotated, Literal

from contracts.budgets import Caps
from contracts.guidance import GuidanceRequest, GuidanceResponse
from contracts.prompts import NAMES
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from servicekit.direct import DirectRoute
from servicekit.openapi import problems

from teacher_gateway.check import Check, check_all
from teacher_gateway.gateway import Gateway
from teacher_gateway.money.ledger import Ledger
from teacher_gateway.money.routes import Used, ledger_errors, ledger_if_any, used
from teacher_gateway.prompt import DEFAULT_VERSION, shipped_templates
from teacher_gateway.teachers_file import Limits

router = APIRouter(prefix="/v1", tags=["guidance"])
# Of the budget, the cassette, and the teacher.
TEACHING_PROBLEMS = problems(402, 409, 502, 504)


class Teacher(BaseModel):
    """A provider, or a named teacher, as GET /v1/teachers shows it."""

    provider: str
    name: str | None = None
    available: bool
    detail: str
    ladder: list[str] = []
    account: str | None = Field(None, description="Of a named teacher: its provider in the teachers file.")
    model: str | None = None
    limits: Limits | None = None
    budget: Caps | None = Field(None, description="What all jobs together may spend with its account.")
    spent: Used | None = Field(None, description="What they spent there; null where no ledger is kept.")


class TeacherList(BaseModel):
    """Everyone that a job can name."""

    object: Literal["list"] = "list"
    data: list[Teacher]


class TeacherChoice(BaseModel):
    """Which teachers to try; None is all of them."""

    model_config = ConfigDict(extra="forbid")

    names: list[str] | None = None


class CheckList(BaseModel):
    """What came of it, teacher by teacher."""

    object: Literal["list"] = "list"
    data: list[Check]


class Prompt(BaseModel):
    """A teacher prompt with its placeholders."""

    version: str
    default: bool
    text: str


class PromptList(BaseModel):
    """All that ship, and what they may name."""

    object: Literal["list"] = "list"
    names: list[str] = sorted(NAMES)
    data: list[Prompt]


class Traffic(BaseModel):
    """One provider's gate."""

    provider: str
    in_flight: int
    waiting: int
    failures: int


class TrafficList(BaseModel):
    """All gates."""

    object: Literal["list"] = "list"
    data: list[Traffic]


async def gateway_of(request: Request) -> Gateway:
    """The gateway that the app's lifespan made. A coroutine: FastAPI runs plain functions in a thread."""
    gateway: Gateway = request.app.state.gateway
    return gateway


ServedGateway = Annotated[Gateway, Depends(gateway_of)]


async def give_guidance(guidance: GuidanceRequest, request: Request) -> GuidanceResponse:
    """Guidance on the latest answer of an episode, within `teacher.timeout_seconds`."""
    gateway: Gateway = request.app.state.gateway
    return await gateway.guide(guidance)


router.add_api_route(
    "/guidance", give_guidance, methods=["POST"], responses=TEACHING_PROBLEMS, route_class_override=DirectRoute
)


@router.get("/teachers")
async def list_teachers(
    gateway: ServedGateway, ledger: Annotated[Ledger | None, Depends(ledger_if_any)]
) -> TeacherList:
    """What a job can ask for here: the built-in providers, then the named teachers of the teachers file."""
    teachers = [*map(Teacher.model_validate, gateway.staff.listing())]
    if ledger is None:
        return TeacherList(data=teachers)
    with ledger_errors():
        spent = {name: await ledger.spending(f"provider:{name}") for name in {*map(account_of, teachers)}}
    shown = [it.model_copy(update={"spent": used(spent[account_of(it)].settled)}) for it in teachers]
    return TeacherList(data=shown)


def account_of(teacher: Teacher) -> str:
    """Under which name its spending is kept."""
    return teacher.account or teacher.provider


@router.post("/teachers/check")
async def check_teachers(wanted: TeacherChoice, gateway: ServedGateway) -> CheckList:
    """Ask each named teacher for one short guidance, without its ladder: does it answer, and how fast?"""
    return CheckList(data=await check_all(gateway, wanted.names))


@router.get("/prompts")
async def list_prompts() -> PromptList:
    """The teacher prompts that ship; a job may bring its own in `teacher.prompt`."""
    return PromptList(
        data=[
            Prompt(version=template.version, default=template.version == DEFAULT_VERSION, text=template.text)
            for template in shipped_templates()
        ]
    )


@router.get("/traffic")
async def show_traffic(gateway: ServedGateway) -> TrafficList:
    """What each provider's gate holds at this moment, in this process."""
    return TrafficList(
        data=[
            Traffic(provider=name, in_flight=gate.in_flight, waiting=gate.waiting, failures=gate.circuit.failures)
            for name, gate in gateway.gates.items()
        ]
    )
