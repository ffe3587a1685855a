"""OpenAI, Anthropic and Google Gemini through pydantic-ai, one HTTP request a call: its retries are off."""

from collections.abc import Callable
from functools import cache
from typing import Self

import httpx2
from anthropic import AsyncAnthropic
from contracts.guidance import GuidanceRequest
from openai import AsyncOpenAI
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelRequest, ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from servicekit.retry_after import whole_seconds

from teacher_gateway.chat import MESSAGE_CHARACTERS
from teacher_gateway.failures import EmptyAnswer, PassingFailure, TeacherFailure
from teacher_gateway.providers.base import Reply
from teacher_gateway.teachers_file import ProviderSettings

# The longest deadline of a guidance: the gateway's own comes first, and this never holds a dead socket for ever.
LONGEST_ANSWER_SECONDS = 600.0
# A handshake that takes longer will not come.
CONNECT_SECONDS = 10.0
# httpx chokes with more in flight; what exceeds it waits here, and max_in_flight should be set below it.
MAX_CONNECTIONS = 256

MakeModel = Callable[[str], Model]


class Commercial:
    """Asks one account; a model object is made once per model name. Leaving its context closes its connections."""

    def __init__(self, make_model: MakeModel, key: str | None, http: httpx2.AsyncClient) -> None:
        self._model = cache(make_model)
        self._key = key
        self._http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._http.aclose()

    async def guide(self, prompt: str, request: GuidanceRequest) -> Reply:
        """One request. Raises PassingFailure for 429, 5xx and broken connections, else TeacherFailure."""
        teacher = request.teacher
        settings = ModelSettings(
            temperature=teacher.temperature, max_tokens=teacher.max_guidance_tokens, seed=request.seed, max_retries=0
        )
        model = self._model(teacher.model or "")
        try:
            response = await model_request(model, [ModelRequest.user_text_prompt(prompt)], model_settings=settings)
        except (ModelAPIError, UnexpectedModelBehavior) as error:
            raise failure_of(error, self._redact) from None
        return reply_of(response, teacher.model or "")

    def _redact(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def create_commercial(settings: ProviderSettings, key: str | None) -> Commercial:
    """The provider of one account."""
    timeout = httpx2.Timeout(LONGEST_ANSWER_SECONDS, connect=CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS)
    http = httpx2.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
    makers: dict[str, Callable[[ProviderSettings, str, httpx2.AsyncClient], MakeModel]] = {
        "openai": _openai,
        "anthropic": _anthropic,
        "gemini": _gemini,
    }
    # The SDKs look for a key in the environment when they get none; a teacher without one has an empty key.
    return Commercial(makers[settings.kind](settings, key or "none", http), key, http)


def _openai(settings: ProviderSettings, key: str, http: httpx2.AsyncClient) -> MakeModel:
    base_url = settings.base_url or "https://api.openai.com/v1"
    client = AsyncOpenAI(api_key=key, base_url=base_url, http_client=http, max_retries=0)
    provider = OpenAIProvider(openai_client=client)
    return lambda model: OpenAIChatModel(model, provider=provider)


def _anthropic(settings: ProviderSettings, key: str, http: httpx2.AsyncClient) -> MakeModel:
    base_url = settings.base_url or "https://api.anthropic.com"
    client = AsyncAnthropic(api_key=key, base_url=base_url, http_client=http, max_retries=0)
    provider = AnthropicProvider(anthropic_client=client)
    return lambda model: AnthropicModel(model, provider=provider)


def _gemini(settings: ProviderSettings, key: str, http: httpx2.AsyncClient) -> MakeModel:
    base_url = settings.base_url or "https://generativelanguage.googleapis.com"
    provider = GoogleProvider(api_key=key, base_url=base_url, http_client=http)
    return lambda model: GoogleModel(model, provider=provider)


def failure_of(error: ModelAPIError | UnexpectedModelBehavior, redact: Callable[[str], str]) -> TeacherFailure:
    """What the library's error means here."""
    said = redact(error.message)[:MESSAGE_CHARACTERS]
    if isinstance(error, UnexpectedModelBehavior):
        return TeacherFailure(502, "teacher_answer_invalid", f"The teacher's answer cannot be used: {said}")
    detail = f"The teacher answered {error.status_code}: {said}" if isinstance(error, ModelHTTPError) else said
    if isinstance(error, ModelQuotaExceededError | ModelRequestRejectedError):
        return TeacherFailure(502, "teacher_refused", detail)
    wait = whole_seconds(error.retry_after)
    if isinstance(error, ModelRateLimitError):
        return PassingFailure(503, "teacher_rate_limited", detail, retry_after=wait)
    if isinstance(error, ModelHTTPError):
        return PassingFailure(502, "teacher_failed", detail, retry_after=wait)
    if isinstance(error, ModelConnectionError):
        return PassingFailure(502, "teacher_unreachable", f"No answer from the teacher: {said}")
    return TeacherFailure(502, "teacher_answer_invalid", f"The teacher's answer cannot be used: {said}")


def reply_of(response: ModelResponse, model: str) -> Reply:
    """The guidance. Raises TeacherFailure for a refusal of the content filter, EmptyAnswer for no words."""
    if response.finish_reason == "content_filter":
        raise TeacherFailure(502, "teacher_content_filtered", "The teacher's content filter refused this dialogue.")
    text = (response.text or "").strip()
    if not text:
        raise EmptyAnswer("The teacher answered without a word.")
    return Reply(
        text=text,
        model=response.model_name or model,
        prompt_tokens=response.usage.input_tokens,
        completion_tokens=response.usage.output_tokens,
        truncated=response.finish_reason == "length",
    )
