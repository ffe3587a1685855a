"""POST /v1/episodes: one episode now, to try a teacher, a prompt or a student. Nothing of it is kept."""

from typing import Annotated

from pydantic import Field, model_validator

from contracts.jobs import StudentSpec, TaskSpec
from contracts.spec import Spec
from contracts.teachers import TeacherSpec

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class TrialQuestion(Spec):
    """A question of the caller's own, asked in the form of the task."""

    text: Text = Field(description="What is asked.")
    answer: Text = Field(description="The right answer: a letter of `options`, or the answer itself without any.")
    options: dict[Annotated[str, Field(min_length=1, max_length=8)], Text] = Field(
        default_factory=dict, max_length=26, description="Letter to text."
    )

    @model_validator(mode="after")
    def answer_is_an_option(self) -> "TrialQuestion":
        """A letter that is no option could never be right."""
        if self.options and self.answer not in self.options:
            raise ValueError(f"answer: {self.answer!r} is none of the options {sorted(self.options)}")
        return self


class EpisodeRequest(Spec):
    """What one episode needs; the weights are those that the engine serves at this moment."""

    student: StudentSpec | None = Field(None, description="Whose tokenizer and template; default: the served model's.")
    task: TaskSpec
    question_id: str | None = Field(
        None, max_length=200, description="A question of the task; default: its first held-out one."
    )
    question: TrialQuestion | None = Field(None, description="A question of your own, instead of `question_id`.")
    teacher: TeacherSpec = TeacherSpec()
    max_attempts: int = Field(2, ge=1, le=16, description="K: attempts, the first included.")
    temperature: float = Field(1.0, ge=0, le=2, description="Of the student; 0 is greedy.")
    max_answer_tokens: int = Field(64, ge=1, le=16_384, description="Longest answer, in tokens.")
    seed: int = Field(0, ge=0, lt=2**31, description="The same seed on the same weights samples the same.")
    timeout_seconds: float = Field(60, gt=0, le=300, description="Deadline; past it the episode is a recorded failure.")

    @model_validator(mode="after")
    def one_question(self) -> "EpisodeRequest":
        """Two would leave open which is asked."""
        if self.question is not None and self.question_id is not None:
            raise ValueError("question and question_id exclude each other; give one of them")
        return self
