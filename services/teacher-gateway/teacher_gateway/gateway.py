"""One guidance from request to response, a step a line: prompt, cassette, ladder, leak guard, record."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog
from contracts.errors import Problem
from contracts.guidance import GuidanceRequest, GuidanceResponse
from contracts.prompts import PromptTemplate
from servicekit.logs import Bound

from teacher_gateway.calls import Caller
from teacher_gateway.ladder import climb_down
from teacher_gateway.money.exhaustion import without_guidance
from teacher_gateway.observation import GuidanceMetrics
from teacher_gateway.prompt import template_of, values_of
from teacher_gateway.rungs import Rung, Staff
from teacher_gateway.seams import Asked, Given, Seams
from teacher_gateway.traffic.gate import Gate

NO_PROMPT = "none"
NO_SEAMS = Seams()
log = structlog.get_logger()


class Gateway:
    """Gives guidance through any registered provider."""

    def __init__(
        self,
        staff: Staff,
        gates: Mapping[str, Gate],
        template: PromptTemplate,
        metrics: GuidanceMetrics,
        seams: Seams = NO_SEAMS,
    ) -> None:
        self.staff = staff
        self.gates = gates
        self._template = template
        self._metrics = metrics
        self._seams = seams
        self._caller = Caller(seams.purse, gates, seams.secrets)

    async def guide(self, request: GuidanceRequest, prompt: str | None = None, alone: bool = False) -> GuidanceResponse:
        """Guidance for `prompt`, or for the one that the template makes of the request; `alone`: without the ladder.

        Raises a Problem: 422 for a request that cannot be served here, 502, 503 or 504 when the teacher fails.
        """
        started = time.perf_counter()
        name = request.teacher.provider
        with Bound(job_id=request.job_id, episode_id=request.episode_id, attempt=request.attempt, provider=name):
            try:
                return await self._guide(self._asked(request, prompt), alone, started)
            except Problem as problem:
                self._metrics.count(name, problem.code, time.perf_counter() - started)
                log.warning("guidance_failed", code=problem.code, detail=problem.detail)
                raise

    def _asked(self, request: GuidanceRequest, prompt: str | None) -> Asked:
        if prompt is not None:
            return Asked(request, prompt, NO_PROMPT)
        template = template_of(request, self._template)
        return Asked(request, template.render(values_of(request)), template.version)

    async def _guide(self, asked: Asked, alone: bool, started: float) -> GuidanceResponse:
        request = asked.request
        deadline = asyncio.get_running_loop().time() + request.teacher.timeout_seconds
        rungs = self.staff.rungs(request)[: 1 if alone else None]
        self._seams.leak_guard.require_ready(request)
        cassette = self._seams.cassette
        async with cassette.single_flight(asked, deadline):
            replayed = await cassette.replay(asked)
            if replayed is not None:
                self._metrics.count(replayed.provider, "replayed", time.perf_counter() - started)
                return replayed
            response = await self._ask(asked, rungs, deadline, started)
            await cassette.record(asked, response)
            return response

    async def _ask(self, asked: Asked, rungs: Sequence[Rung], deadline: float, started: float) -> GuidanceResponse:
        async def ask(prompt: str) -> Given:
            try:
                return await climb_down(rungs, prompt, deadline, self._caller)
            except Problem as problem:
                return without_guidance(problem, asked.request)

        given = await self._seams.leak_guard.check(asked, await ask(asked.prompt), ask)
        response = _response(asked, given, time.perf_counter() - started)
        self._observe(given, response)
        return response

    def _observe(self, given: Given, response: GuidanceResponse) -> None:
        outcome = "truncated" if given.reply.truncated else "complete"
        self._metrics.count(response.provider, outcome, response.latency_seconds)
        self._metrics.charge(response.provider, given.rung, given.reply)
        log.info(
            "guidance_given",
            outcome=outcome,
            rung=response.rung,
            model=response.model,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            seconds=round(response.latency_seconds, 3),
        )


def _response(asked: Asked, given: Given, seconds: float) -> GuidanceResponse:
    reply = given.reply
    return GuidanceResponse(
        text=reply.text,
        provider=given.provider,
        rung=given.rung,
        model=reply.model,
        prompt_version=asked.prompt_version if reply.prompted else NO_PROMPT,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        price_usd=reply.price_usd,
        latency_seconds=seconds,
        leak=given.leak,
    )
