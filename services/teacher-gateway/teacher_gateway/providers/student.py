"""Self-guidance: the student engine as its own teacher, with the policy of the moment or with a frozen one."""

from contracts.guidance import GuidanceRequest
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from teacher_gateway.addresses import canonical
from teacher_gateway.chat import ChatClient
from teacher_gateway.failures import TeacherFailure
from teacher_gateway.providers.base import Reply


class StudentOptions(BaseModel):
    """`options` of a provider of kind `student`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frozen_at: str | None = Field(
        None,
        min_length=1,
        description="Weight version that a second engine serves for ever; any other is refused. Without it the policy "
        "of the moment teaches, and guides itself as it learns.",
    )


def chat_address(engine: str) -> str:
    """Where an engine speaks OpenAI's chat API; its key belongs to this address."""
    return canonical(engine).removesuffix("/v1") + "/v1"


class Student:
    """Asks the engine at `base_url`; each reply's model is named with the weight version that spoke."""

    def __init__(self, chat: ChatClient, base_url: str, options: StudentOptions) -> None:
        self._chat = chat
        self._base_url = chat_address(base_url)
        self._frozen_at = options.frozen_at

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        """Raises a TeacherFailure when a policy that should be frozen has moved."""
        reply = await self._chat.complete(self._base_url, request.teacher.model or "default", prompt, request)
        if self._frozen_at is not None and reply.weight_version != self._frozen_at:
            detail = (
                f"The frozen student at {self._base_url} serves weights {reply.weight_version}, not {self._frozen_at}; "
                "give it an engine of its own, which no trainer publishes to."
            )
            raise TeacherFailure(502, "teacher_policy_moved", detail)
        return replace(reply, model=f"{reply.model}@{reply.weight_version}")
