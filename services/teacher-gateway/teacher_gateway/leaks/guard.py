"""The leak guard of a job: judges every guidance and does what the job chose."""

from dataclasses import replace

import structlog
from contracts.budgets import Leak, LeakAction
from contracts.errors import Problem
from contracts.guidance import RETRY_TEXT

from teacher_gateway.leaks.answer import RightAnswer, right_answer
from teacher_gateway.leaks.judge import Verdict, judge, redact
from teacher_gateway.leaks.metrics import LeakMetrics
from teacher_gateway.providers.base import Reply
from teacher_gateway.seams import AskAgain, Asked, Given

STRICTER = """

Your guidance will be read by a program before the student sees it. It must not give the answer away: name no option by
its letter or its place, write neither the text nor the value of the right option, do not go through the other options
one by one, and do not copy the reference solution. Point out one mistake and one next step."""
FIXED_TEXT = "retry"
log = structlog.get_logger()


class RuleGuard:
    """Judges by rules on the text. Where the request does not tell the right answer, it judges nothing."""

    def __init__(self, metrics: LeakMetrics) -> None:
        self._metrics = metrics

    async def check(self, asked: Asked, given: Given, ask_again: AskAgain) -> Given:
        """The guidance that the student gets; its `leak` tells of the teacher's first one."""
        wanted = asked.request.teacher.leak_guard
        answer = right_answer(asked.request)
        if wanted == "off" or answer is None or given.provider == FIXED_TEXT:
            return given
        verdict = judge(given.reply.text, answer)
        self._metrics.count(given.rung, verdict.rules)
        if not verdict.leaked or wanted == "allow":
            return replace(given, leak=finding(verdict, "allow"))
        log.info("guidance_leaked", rung=given.rung, rules=verdict.rules, action=wanted)
        if wanted == "ask_again":
            return await self._ask_again(asked, given, verdict, answer, ask_again)
        return told(given, redact(given.reply.text, answer) if wanted == "redact" else None, verdict, wanted)

    async def _ask_again(
        self, asked: Asked, given: Given, verdict: Verdict, answer: RightAnswer, ask_again: AskAgain
    ) -> Given:
        """Once more with a stricter prompt; what still leaks, or cannot be asked any more, is redacted."""
        try:
            second = await ask_again(asked.prompt + STRICTER)
        except Problem as problem:
            log.warning("asking_again_failed", code=problem.code)
            return told(given, redact(given.reply.text, answer), verdict, "redact")
        both = replace(second, reply=with_cost_of(given, second))
        if judge(second.reply.text, answer).leaked:
            return told(both, redact(second.reply.text, answer), verdict, "redact")
        return replace(both, leak=finding(verdict, "ask_again"))


def told(given: Given, text: str | None, verdict: Verdict, action: LeakAction) -> Given:
    """Guidance with another text; without one, the retry text takes its place, at the teacher's cost."""
    action = action if text else "reject"
    return replace(given, reply=replace(given.reply, text=text or RETRY_TEXT), leak=finding(verdict, action))


def with_cost_of(first: Given, second: Given) -> Reply:
    """The second reply, charged with what both used."""
    return replace(
        second.reply,
        prompt_tokens=first.reply.prompt_tokens + second.reply.prompt_tokens,
        completion_tokens=first.reply.completion_tokens + second.reply.completion_tokens,
        price_usd=first.reply.price_usd + second.reply.price_usd,
    )


def finding(verdict: Verdict, action: LeakAction) -> Leak:
    """For the response and the step record."""
    return Leak(leaked=verdict.leaked, rules=verdict.rules, action=action)
