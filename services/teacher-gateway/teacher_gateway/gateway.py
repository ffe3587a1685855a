"""One guidance from request to response: prompt, provider, price, count."""

import time

import structlog
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest, GuidanceResponse

from teacher_gateway.observation import GuidanceMetrics
from teacher_gateway.prompt import PromptTemplate, values_of
from teacher_gateway.providers.base import Provider, Reply
from teacher_gateway.providers.registry import Registry
from teacher_gateway.retries import ask_within

NO_PROMPT = "none"
log = structlog.get_logger()


class Gateway:
    """Gives guidance through any registered provider."""

    def __init__(self, registry: Registry, template: PromptTemplate, metrics: GuidanceMetrics) -> None:
        self.registry = registry
        self._template = template
        self._metrics = metrics

    async def guide(self, request: GuidanceRequest) -> GuidanceResponse:
        """Raises a Problem: 422 for a request that cannot be served here, 502, 503 or 504 when the teacher fails."""
        started = time.perf_counter()
        name = request.teacher.provider
        with structlog.contextvars.bound_contextvars(
            job_id=request.job_id, episode_id=request.episode_id, attempt=request.attempt, provider=name
        ):
            try:
                reply = await self._ask(request)
            except Problem as problem:
                self._metrics.count(name, problem.code, time.perf_counter() - started)
                log.warning("guidance_failed", code=problem.code, detail=problem.detail)
                raise
            response = self._response(name, reply, time.perf_counter() - started)
            self._record(reply, response)
            return response

    async def _ask(self, request: GuidanceRequest) -> Reply:
        provider = self._provider(request.teacher.provider)
        prompt = self._template.render(values_of(request))
        return await ask_within(request.teacher.timeout_seconds, lambda: provider.guide(prompt, request))

    def _provider(self, name: str) -> Provider:
        entry = self.registry[name]
        if entry.provider is None:
            detail = f"Provider {name} is not set up here. {entry.detail}"
            raise Problem(422, "teacher_unavailable", detail, field="teacher.provider")
        return entry.provider

    def _response(self, provider: str, reply: Reply, seconds: float) -> GuidanceResponse:
        return GuidanceResponse(
            text=reply.text,
            provider=provider,
            model=reply.model,
            prompt_version=self._template.version if reply.prompted else NO_PROMPT,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            price_usd=reply.price_usd,
            latency_seconds=seconds,
        )

    def _record(self, reply: Reply, response: GuidanceResponse) -> None:
        outcome = "truncated" if reply.truncated else "complete"
        self._metrics.count(response.provider, outcome, response.latency_seconds)
        self._metrics.charge(response.provider, reply)
        log.info(
            "guidance_given",
            outcome=outcome,
            model=response.model,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=round(response.latency_seconds, 3),
        )
