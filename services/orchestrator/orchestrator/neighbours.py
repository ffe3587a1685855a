"""What the orchestrator asks the teacher gateway and the student engine before it accepts a job."""

from contextlib import suppress
from typing import Any

import aiohttp
from contracts.errors import Problem

from orchestrator.settings import OrchestratorSettings

# Both answer from memory within milliseconds; a user waits for this.
NEIGHBOUR_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
RETRY_AFTER_SECONDS = 5


class Neighbours:
    """HTTP clients of the two services; raises 503 Problems with Retry-After when they do not answer."""

    def __init__(self, session: aiohttp.ClientSession, settings: OrchestratorSettings) -> None:
        self.session = session
        self.student_urls = [url.rstrip("/") for url in settings.student_urls]
        self.gateway_url = settings.gateway_url.rstrip("/")
        self.keys = {"student_engine": settings.student_api_key, "teacher_gateway": settings.service_key}

    async def teachers(self) -> dict[str, dict[str, Any]]:
        """The gateway's built-in providers and named teachers, each with `available` and `detail`."""
        return {teacher.get("name") or teacher["provider"]: teacher for teacher in await self.staff()}

    async def staff(self) -> list[dict[str, Any]]:
        """The same as the gateway lists them."""
        answer = await self._get("teacher_gateway", f"{self.gateway_url}/v1/teachers")
        listed: list[dict[str, Any]] = answer.get("data", [])
        return listed

    async def traffic(self) -> dict[str, dict[str, Any]]:
        """What each provider's gate holds at this moment, by provider."""
        answer = await self._get("teacher_gateway", f"{self.gateway_url}/v1/traffic")
        return {gate["provider"]: gate for gate in answer.get("data", [])}

    async def forecast(self, teacher: dict[str, Any], plans: list[dict[str, Any]]) -> dict[str, Any] | None:
        """What the teacher will cost; None when the gateway does not say: a forecast is no check."""
        body = {"teacher": teacher, "plans": plans}
        url = f"{self.gateway_url}/v1/forecast"
        try:
            async with self.session.post(url, json=body, **self._options("teacher_gateway")) as response:
                found: dict[str, Any] | None = await response.json() if response.status == 200 else None
                return found
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    async def served_model(self) -> str:
        """The directory of the model that the student engine runs: the first replica that answers tells."""
        *others, last = self.student_urls
        for url in others:
            with suppress(Problem):
                return await self._served_by(url)
        return await self._served_by(last)

    async def _served_by(self, url: str) -> str:
        answer = await self._get("student_engine", f"{url}/model_info")
        return str(answer.get("model_path", ""))

    def _options(self, name: str) -> dict[str, Any]:
        key = self.keys[name]
        headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
        return {"timeout": NEIGHBOUR_TIMEOUT, "headers": headers}

    async def _get(self, name: str, url: str) -> dict[str, Any]:
        title = f"The {name.replace('_', ' ')}"
        try:
            async with self.session.get(url, **self._options(name)) as response:
                if response.status != 200:
                    detail = f"{title} answered {response.status}; try again when it is ready."
                    raise Problem(503, f"{name}_not_ready", detail, retry_after=RETRY_AFTER_SECONDS)
                answer: dict[str, Any] = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            detail = f"{title} at {url} does not answer ({type(error).__name__}); is it running?"
            raise Problem(503, f"{name}_unreachable", detail, retry_after=RETRY_AFTER_SECONDS) from None
