"""What a job's teacher will cost, told before it starts: a range, for nobody knows yet how often the student fails."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from teacher_gateway.money.amounts import NANOS_PER_USD
from teacher_gateway.money.prices import Tariff, Usage


class Plan(BaseModel):
    """Episodes of one kind (training, or evaluation) and what decides how often and how much the teacher is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    episodes: int = Field(ge=0, le=10**12)
    max_attempts: int = Field(ge=1, le=16, description="K: a wrong answer before the last attempt asks the teacher.")
    failure_low: float = Field(0.2, ge=0, le=1, description="Share of wrong answers, at best.")
    failure_high: float = Field(0.9, ge=0, le=1, description="Share of wrong answers, at worst.")
    question_bytes: int = Field(ge=0, le=10**9, description="Mean size of a question, UTF-8.")
    answer_bytes: int = Field(ge=0, le=10**9, description="Usual size of an answer, UTF-8.")


class Range(BaseModel):
    """From the cheap guess to the dear one."""

    low: float
    high: float


class Forecast(BaseModel):
    """For the whole job, retries not counted. `usd` is None where nobody knows the price."""

    object: str = "forecast"
    requests: Range
    tokens: Range
    usd: Range | None


class Guess(BaseModel):
    """How text becomes tokens. Usual text has 3 to 5 bytes a token; guidance is "a few sentences"."""

    high: bool
    bytes_per_token: float
    guidance_tokens: int


CHEAP = Guess(high=False, bytes_per_token=5.0, guidance_tokens=40)
DEAR = Guess(high=True, bytes_per_token=3.0, guidance_tokens=250)


def forecast(plans: Sequence[Plan], template_bytes: int, max_guidance_tokens: int, tariff: Tariff | None) -> Forecast:
    """The range of all plans together; `template_bytes` is the teacher prompt without its values."""
    requests, tokens, nanos = [], [], []
    for guess in (CHEAP, DEAR):
        calls = [call for plan in plans for call in calls_of(plan, guess, template_bytes, max_guidance_tokens)]
        requests.append(sum(count for count, _ in calls))
        tokens.append(sum(count * (usage.prompt_tokens + usage.completion_tokens) for count, usage in calls))
        nanos.append(sum(count * (tariff.nanos(usage) if tariff else 0) for count, usage in calls))
    return Forecast(
        requests=Range(low=requests[0], high=requests[1]),
        tokens=Range(low=tokens[0], high=tokens[1]),
        usd=None if tariff is None else Range(low=nanos[0] / NANOS_PER_USD, high=nanos[1] / NANOS_PER_USD),
    )


def calls_of(plan: Plan, guess: Guess, template_bytes: int, max_guidance_tokens: int) -> list[tuple[float, Usage]]:
    """Expected calls after attempt k = 1 .. K-1, and what each uses. Failures are taken as independent."""
    failure = plan.failure_high if guess.high else plan.failure_low
    guidance = min(guess.guidance_tokens, max_guidance_tokens)
    calls = []
    for attempt in range(1, plan.max_attempts):
        # The question stands in its own section and in the dialogue, which holds every earlier answer and guidance.
        text = template_bytes + 2 * plan.question_bytes + attempt * plan.answer_bytes
        prompt = round(text / guess.bytes_per_token) + (attempt - 1) * guidance
        calls.append((plan.episodes * failure**attempt, Usage(prompt, guidance)))
    return calls
