"""The OpenAI chat API in front of the named teachers: other tools get the same limits, budget and cassette."""

import time
import uuid
from typing import Annotated, Any, Literal

from contracts.budgets import BudgetSpec, CassetteSpec
from contracts.errors import invalid
from contracts.guidance import GuidanceRequest, GuidanceResponse, Turn
from contracts.teachers import TeacherSpec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from teacher_gateway.routes import TEACHING_PROBLEMS, ServedGateway
from teacher_gateway.teachers_file import BUILT_IN

router = APIRouter(prefix="/v1", tags=["openai"])
DEFAULT_TOKENS = 1024
DEFAULT_SECONDS = 60.0
MADE_BY = "socratic"


class Accounting(BaseModel):
    """Our own part of a request (`extra_body={"socratic": {...}}` in OpenAI's client): who pays, what is recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str = Field("chat", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Whose budget is spent.")
    budget: BudgetSpec | None = Field(None, description="Caps of that job.")
    cassette: CassetteSpec = CassetteSpec()
    timeout_seconds: float = Field(DEFAULT_SECONDS, gt=0, le=600, description="Deadline, retries included.")


class ChatMessage(BaseModel):
    """Text only; what other parts a client sends is refused."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


class ChatRequest(BaseModel):
    """The part of OpenAI's request that a teacher needs. Other fields are refused, lest they be silently ignored."""

    model_config = ConfigDict(extra="forbid", str_min_length=0)  # as in Spec

    model: str = Field(description="A named teacher, `tutor` or `retry`: what GET /v1/models lists.")
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    temperature: float = Field(0.2, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=8192)
    max_completion_tokens: int | None = Field(None, ge=1, le=8192)
    seed: int = 0
    n: Literal[1] = 1
    stream: Literal[False] = False
    user: str | None = None
    socratic: Accounting = Accounting()

    @property
    def limit(self) -> int:
        return self.max_completion_tokens or self.max_tokens or DEFAULT_TOKENS


@router.get("/models")
async def list_models(gateway: ServedGateway) -> dict[str, Any]:
    """Every teacher that can be asked here, in OpenAI's shape."""
    names = [*gateway.staff.teachers, *sorted(BUILT_IN)]
    ready = [name for name in names if gateway.staff.entry(name).provider is not None]
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": MADE_BY} for name in ready],
    }


@router.post("/chat/completions", responses=TEACHING_PROBLEMS)
async def complete_chat(chat: ChatRequest, gateway: ServedGateway) -> dict[str, Any]:
    """One completion by the teacher `model`, through its ladder. Several messages become one prompt, turn by turn."""
    if chat.model not in gateway.staff.teachers.keys() | BUILT_IN:
        known = ", ".join([*gateway.staff.teachers, *sorted(BUILT_IN)])
        raise invalid("model", f"there is no teacher {chat.model}; there are: {known}")
    given = await gateway.guide(request_of(chat), prompt_of(chat.messages))
    return completion_of(chat, given)


def prompt_of(messages: list[ChatMessage]) -> str:
    """A single message as it is; a dialogue with its roles before each turn."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in messages)


def request_of(chat: ChatRequest) -> GuidanceRequest:
    """The chat as a request for guidance: its messages are the dialogue."""
    ours = chat.socratic
    named: dict[str, Any] = {"provider": chat.model} if chat.model in BUILT_IN else {"name": chat.model}
    teacher = TeacherSpec(
        **named,
        temperature=chat.temperature,
        max_guidance_tokens=chat.limit,
        timeout_seconds=ours.timeout_seconds,
        budget=ours.budget,
        cassette=ours.cassette,
        leak_guard="off",
    )
    roles: dict[str, Literal["system", "user", "assistant"]] = {"user": "user", "assistant": "assistant"}
    return GuidanceRequest(
        job_id=ours.job_id,
        episode_id=f"{ours.job_id}/chat",
        attempt=1,
        teacher=teacher,
        question=chat.messages[-1].content,
        dialogue=[Turn(role=roles.get(turn.role, "system"), content=turn.content) for turn in chat.messages],
        latest_answer="",
        seed=chat.seed,
    )


def completion_of(chat: ChatRequest, given: GuidanceResponse) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/chat/object, and what it cost under `socratic`."""
    used = {"prompt_tokens": given.prompt_tokens, "completion_tokens": given.completion_tokens}
    cut = given.completion_tokens >= chat.limit
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": given.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": given.text},
                "finish_reason": "length" if cut else "stop",
                "logprobs": None,
            }
        ],
        "usage": {**used, "total_tokens": sum(used.values())},
        "socratic": {"rung": given.rung, "price_usd": given.price_usd, "replayed": given.replayed},
    }
