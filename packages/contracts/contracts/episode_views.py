"""What the orchestrator answers about episodes: the record (contracts.episodes), and what people ask about it."""

from typing import Literal

from pydantic import Field

from contracts.episodes import Outcome, Purpose
from contracts.views import View

EpisodeOutcome = Literal[Outcome, "failed"]
OUTCOME_HELP = "Of the last attempt, or `failed` for an episode that could not be completed."


class EpisodeSummary(View):
    """An episode as one line of a list."""

    object: Literal["episode"] = "episode"
    episode_id: str
    purpose: Purpose
    step: int
    question_id: str
    sample: int = Field(description="Index within the group of its question.")
    outcome: EpisodeOutcome = Field(description=OUTCOME_HELP)
    attempts: int
    unassisted: bool = Field(description="The first attempt was right.")
    guided: bool = Field(description="Some attempt was right.")
    failure: str | None
    started_at: float
    finished_at: float


class AttemptCell(View):
    """An attempt in short."""

    outcome: Outcome
    reward: float = Field(description="Raw.")
    reward_decayed: float | None = Field(description="None until the step is trained.")
    advantage: float | None = Field(description="Mean over its tokens; None until the step is trained.")
    tokens: int


class EpisodeAttempts(View):
    """An episode of a manifest with its attempts; none while it has not arrived."""

    object: Literal["episode.attempts"] = "episode.attempts"
    episode_id: str
    question_id: str
    sample: int
    arrived: bool
    failure: str | None
    attempts: list[AttemptCell]


class QuestionView(View):
    """What was asked, with the right answer."""

    id: str
    domain: str
    text: str
    options: dict[str, str]
    answer: str


class PromptTurn(View):
    """A turn of the prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


class StudentTurn(View):
    """An attempt."""

    role: Literal["assistant"] = "assistant"
    content: str
    attempt: int = Field(description="k, from 1.")
    outcome: Outcome
    reward: float


class TeacherTurn(View):
    """Guidance, as the student reads it."""

    role: Literal["user"] = "user"
    content: str
    provider: str


DialogueTurn = PromptTurn | StudentTurn | TeacherTurn


class SpanView(View):
    """Tokens start..end (end exclusive) were sampled by this policy version."""

    version: int
    start: int
    end: int


class AttemptView(View):
    """One complete answer of the student."""

    token_ids: list[int]
    logprobs: list[float] = Field(description="Nats, one for each token, of the policy that sampled it.")
    version_spans: list[SpanView]
    text: str
    outcome: Outcome
    reward: float
    finish_reason: Literal["stop", "length"]
    latency_seconds: float


class GuidanceView(View):
    """What the student was told between two attempts."""

    token_ids: list[int]
    text: str
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    price_usd: float
    latency_seconds: float
    leaked: bool | None = Field(description="The teacher's words gave the answer away; None where nobody looked.")
    leak_rules: list[str]
    leak_lift: float | None
    leak_action: str | None


class FailureView(View):
    """Why an episode could not be completed."""

    code: str
    detail: str


class AttemptCreditView(View):
    """What the trainer gave an attempt."""

    reward_decayed: float
    advantages: list[float] = Field(description="One for each token, or a single one that all of them got.")


class CreditView(View):
    """In the order of the attempts."""

    attempts: list[AttemptCreditView]


class TokenText(View):
    """What a token adds to the text."""

    text: str
    control: bool = Field(description="A control token of the template.")


class EpisodeView(View):
    """An episode as GET /v1/episodes/{id} shows it."""

    object: Literal["episode"] = "episode"
    outcome: EpisodeOutcome = Field(description=OUTCOME_HELP)
    question: QuestionView | None = Field(description="None where the task's data is gone.")
    dialogue: list[DialogueTurn]
    version: int = Field(description="Of the record's format.")
    episode_id: str
    job_id: str
    purpose: Purpose
    step: int
    question_id: str
    sample: int
    prompt_token_ids: list[int]
    attempts: list[AttemptView]
    guidances: list[GuidanceView] = Field(description="The n-th stands between attempts n and n + 1.")
    failure: FailureView | None
    started_at: float
    finished_at: float
    credit: CreditView | None = Field(None, description="None until the step is trained.")
    tokens: list[list[TokenText]] | None = Field(None, description="Of each attempt; with ?tokens=true.")


class ManifestEntryView(View):
    """One episode that the batch consists of."""

    episode_id: str
    question_id: str
    sample: int
    seed: int


class ManifestView(View):
    """Which episodes make a batch, fixed before the first of them started."""

    version: int
    job_id: str
    purpose: Purpose
    step: int
    policy_version: int = Field(description="Sampled by this policy version or a newer one.")
    entries: list[ManifestEntryView]
