"""Any server with the OpenAI chat API: vLLM, SGLang, Ollama, a commercial endpoint."""

from contracts.errors import invalid
from contracts.guidance import GuidanceRequest
from servicekit.addresses import address_fault

from teacher_gateway.chat import ChatClient
from teacher_gateway.providers.base import Reply


class OpenAICompatible:
    """Asks the model that the teacher names, at `base_url` or, without one, at the address that the job names."""

    def __init__(self, chat: ChatClient, base_url: str | None = None) -> None:
        self._chat = chat
        self._base_url = base_url

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        base_url, model = self._base_url or request.teacher.base_url, request.teacher.model
        if base_url is None or model is None:
            raise invalid("teacher.base_url", "provider openai_compatible needs base_url and model; add both")
        if fault := address_fault(base_url):
            raise invalid("teacher.base_url", fault)
        return await self._chat.complete(base_url, model, prompt, request)
