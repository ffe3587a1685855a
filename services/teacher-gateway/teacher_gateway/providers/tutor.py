"""The built-in task's tutor: a service of the house that speaks the OpenAI chat API like any other teacher."""

from contracts.guidance import GuidanceRequest

from teacher_gateway.chat import ChatClient
from teacher_gateway.providers.base import Reply

TUTOR_MODEL = "materials-tutor"


class Tutor:
    """Asks the tutor service at `address`."""

    def __init__(self, chat: ChatClient, address: str) -> None:
        self._chat = chat
        self._base_url = address.rstrip("/") + "/v1"

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        options = request.teacher.tutor
        manner = {"tutor": options.manner.model_dump()} if options else {}
        return await self._chat.complete(self._base_url, TUTOR_MODEL, prompt, request, manner)
