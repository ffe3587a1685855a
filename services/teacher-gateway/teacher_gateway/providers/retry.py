"""The fixed text of the paper's ablation without guidance."""

from contracts.guidance import RETRY_TEXT, GuidanceRequest

from teacher_gateway.providers.base import Reply


class FixedText:
    """Says the same to every answer, at once and for nothing."""

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        return Reply(RETRY_TEXT, model="fixed-text", prompted=False)
