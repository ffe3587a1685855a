"""The leak guard of a job: judges every guidance and does what the job chose."""

import structlog
from contracts.budgets import Leak, LeakAction
from contracts.errors import Problem
from contracts.guidance import RETRY_TEXT, GuidanceRequest
from msgspec.structs import replace

from teacher_gateway.leaks.answer import RightAnswer, right_answer
from teacher_gateway.leaks.judge import Verdict, judge, redact
from teacher_gateway.leaks.metrics import LeakMetrics
from teacher_gateway.leaks.probe import ProbeFailed, StudentProbe
from teacher_gateway.providers.base import Reply
from teacher_gateway.seams import AskAgain, Asked, Given

STRICTER = """

Your guidance will be read by a program before the student sees it. It must not give the answer away: name no option by
its letter or its place, write neither the text nor the value of the right option, do not go through the other options
one by one, and do not copy the reference solution. Point out one mistake and one next step."""
FIXED_TEXT = "retry"
PROBE = "probe"
NO_LEAK = Leak(leaked=False)
log = structlog.get_logger()


class RuleGuard:
    """Judges by rules on the text, and by the probe where the job wants it; nothing without the right answer."""

    def __init__(self, metrics: LeakMetrics, probe: StudentProbe | None = None) -> None:
        self._metrics = metrics
        self._probe = probe

    def require_ready(self, request: GuidanceRequest) -> None:
        """Raises a 422 Problem, before anybody is asked or paid, when the job wants what is not set up here."""
        if request.teacher.leak_probe is not None and self._probe is None:
            raise Problem(422, "leak_probe_unavailable", WITHOUT_STUDENT, field="teacher.leak_probe")

    async def check(self, asked: Asked, given: Given, ask_again: AskAgain) -> Given:
        """The guidance that the student gets; its `leak` tells of the teacher's first one."""
        wanted = asked.request.teacher.leak_guard
        answer = right_answer(asked.request)
        if wanted == "off" or answer is None or given.provider == FIXED_TEXT:
            return given
        verdict = await self._judge(asked, given, answer)
        self._metrics.count(given.rung, verdict.rules)
        if not verdict.leaked or wanted == "allow":
            return replace(given, leak=finding(verdict, "allow"))
        log.info("guidance_leaked", rung=given.rung, rules=verdict.rules, lift=verdict.lift, action=wanted)
        if wanted == "ask_again":
            return await self._ask_again(asked, given, verdict, answer, ask_again)
        return told(given, cleaned(given, verdict, answer) if wanted == "redact" else None, verdict, wanted)

    async def _ask_again(
        self, asked: Asked, given: Given, verdict: Verdict, answer: RightAnswer, ask_again: AskAgain
    ) -> Given:
        """Once more with a stricter prompt; what still leaks, or cannot be asked any more, is redacted."""
        try:
            second = await ask_again(asked.prompt + STRICTER)
        except Problem as problem:
            log.warning("asking_again_failed", code=problem.code)
            return told(given, cleaned(given, verdict, answer), verdict, "redact")
        both = replace(second, reply=with_cost_of(given, second))
        again = await self._judge(asked, second, answer)
        if again.leaked:
            return told(both, cleaned(second, again, answer), verdict, "redact")
        return replace(both, leak=finding(verdict, "ask_again"))

    async def _judge(self, asked: Asked, given: Given, answer: RightAnswer) -> Verdict:
        """The rules first; the probe only for what passes them, since it costs the student's time."""
        verdict, probe = judge(given.reply.text, answer), asked.request.teacher.leak_probe
        if verdict.leaked or probe is None or self._probe is None:
            return verdict
        try:
            lift = await self._probe.lift(given.reply.text, answer, probe, asked.request.seed)
        except ProbeFailed as failure:
            log.warning("guidance_not_probed", cause=str(failure))
            self._metrics.not_probed(given.rung)
            return verdict
        return replace(verdict, rules=[PROBE] if lift >= probe.lift else [], lift=lift)


WITHOUT_STUDENT = "The leak probe asks the student; set TEACHER_GATEWAY_STUDENT_URL or drop teacher.leak_probe."


def cleaned(given: Given, verdict: Verdict, answer: RightAnswer) -> str | None:
    """Without the sentences that leak; None when the whole does: the probe cannot say which sentence it was."""
    return None if PROBE in verdict.rules else redact(given.reply.text, answer)


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
    if verdict.lift is None and not verdict.rules and action == "allow":
        return NO_LEAK
    return Leak(leaked=verdict.leaked, rules=verdict.rules, action=action, lift=verdict.lift)
