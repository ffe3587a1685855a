"""Who teaches, in a job specification: the teacher, what it sees and may spend, and the one that only scores."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from contracts.budgets import BudgetSpec, CassetteSpec, LeakAction, LeakProbe
from contracts.prompts import LONGEST_PROMPT, parse_own
from contracts.spec import Spec

TutorStyle = Literal["precise", "vague", "answer"]


class TutorManner(Spec):
    """How the built-in tutor speaks: what decides its words."""

    style: TutorStyle = Field(
        "precise",
        description="`precise`: names the first mistake and what would be right; `vague`: true, but names the kind of "
        "mistake only; `answer`: says the right answer and nothing else, for which the job must show it "
        "(`teacher.ground_truth`).",
    )
    wrong_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of guidances that name something wrong, drawn from the seed of episode and attempt.",
    )


class TutorSpec(TutorManner):
    """The built-in tutor's options."""

    usd_per_call: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="What one guidance is taken to cost, in USD: an assumption of the job, since rules cost nothing. "
        "Counted, and held against a budget, like any teacher's price.",
    )

    @property
    def manner(self) -> TutorManner:
        """Without the price."""
        return TutorManner(style=self.style, wrong_share=self.wrong_share)


class TeacherSpec(Spec):
    """Who gives guidance after a wrong answer."""

    provider: Literal["tutor", "openai_compatible", "retry", "named"] = Field(
        "retry",
        description="`tutor`: the built-in task's tutor; `openai_compatible`: any server with the OpenAI chat API; "
        "`retry`: the fixed text of the paper's ablation without guidance; `named`: the gateway's teacher `name`.",
    )
    name: str | None = Field(
        None, min_length=1, max_length=64, description="A teacher of the gateway's teachers file; implies `named`."
    )
    model: str | None = Field(None, description="Model name sent to the provider.")
    base_url: str | None = Field(
        None, pattern=r"^https?://", description="Base URL of an OpenAI-compatible server, with its /v1."
    )
    tutor: TutorSpec | None = Field(None, description="Options of provider `tutor`; without them it is precise.")
    temperature: float = Field(0.2, ge=0, le=2, description="Sampling temperature of the teacher.")
    max_guidance_tokens: int = Field(1024, ge=1, le=8192, description="Longest guidance, in the teacher's tokens.")
    timeout_seconds: float = Field(60, gt=0, le=600, description="Deadline of one guidance, retries included.")
    view: Literal["dialogue", "latest_answer"] = Field(
        "dialogue",
        description="What the teacher sees of the episode: the whole dialogue (paper eq. 9) or the last answer.",
    )
    question: bool = Field(True, description="Show the question to the teacher.")
    reference_solution: bool = Field(
        False, description="Show the task's worked solution to the teacher, where it has one."
    )
    ground_truth: bool = Field(False, description="Show the right answer to the teacher (paper Fig. 5).")
    prompt: str | None = Field(
        None,
        max_length=LONGEST_PROMPT,
        description="The job's own teacher prompt instead of the shipped one (GET /v1/prompts of the gateway shows "
        "it): paragraphs with $question, $dialogue, $latest_answer, $reference_solution, $ground_truth; a paragraph "
        "may begin with the line [when NAME] or [unless NAME].",
    )
    budget: BudgetSpec | None = Field(None, description="What this job may spend on teachers; without it, no bound.")
    cassette: CassetteSpec = Field(CassetteSpec(), description="Record or replay guidance.")
    leak_guard: LeakAction = Field(
        "allow",
        description="What happens to guidance that gives the answer away: `allow` only counts it, `redact` takes the "
        "answer out, `ask_again` asks once more, more strictly, and then redacts, `reject` gives the retry text "
        "instead; `off` does not look.",
    )
    leak_probe: LeakProbe | None = Field(
        None, description="Also let the student answer from the guidance alone; costs student tokens, no teacher's."
    )

    @field_validator("prompt")
    @classmethod
    def prompt_is_known(cls, prompt: str | None) -> str | None:
        """Refuses a prompt with unknown names when the job is made, not when its first guidance is asked for."""
        if prompt is not None:
            parse_own(prompt)
        return prompt

    @model_validator(mode="before")
    @classmethod
    def name_implies_named(cls, spec: Any) -> Any:
        """`teacher: {name: x}` says enough."""
        if isinstance(spec, dict) and spec.get("name") is not None:
            return {"provider": "named", **spec}
        return spec

    @model_validator(mode="after")
    def complete(self) -> "TeacherSpec":
        """An OpenAI-compatible teacher needs its address and a model, a named one its name; the others take neither."""
        if (self.provider == "named") != (self.name is not None):
            raise ValueError("provider named needs name, and no other provider takes one")
        if self.provider == "openai_compatible":
            if self.base_url is None or self.model is None:
                raise ValueError("provider openai_compatible needs base_url and model; add both")
        elif self.base_url is not None or self.model is not None:
            raise ValueError(f"provider {self.provider} takes neither base_url nor model; remove them")
        return self

    @model_validator(mode="after")
    def tutor_can_speak_so(self) -> "TeacherSpec":
        """Its options belong to it alone, and it tells no answer that it was not shown."""
        if self.tutor is None:
            return self
        if self.provider != "tutor":
            raise ValueError(f"tutor belongs to provider tutor, not to {self.provider}; remove it")
        if self.tutor.style == "answer" and not self.ground_truth:
            raise ValueError("tutor.style answer needs ground_truth true: the tutor tells only what it is shown")
        return self


class TeacherKlSpec(Spec):
    """How far the student is from a teacher that shares its tokenizer (paper Fig. 6): a figure, no part of the loss."""

    teacher: TeacherSpec = Field(
        description="A local server that scores given tokens: a teacher by name, or openai_compatible with its address."
    )
    engine: Literal["vllm", "sglang"] = Field(description="What that server is.")
    episodes: int = Field(8, ge=1, le=1024, description="Episodes of each step that are scored, the first ones.")
