"""A task of your own: sums of two numbers. Install it beside the services, then: task: {name: addition}."""

from pydantic import BaseModel, ConfigDict, Field
from tasks.base import Message, Question, Verdict
from tasks.registry import TaskKind
from tasks.verifiers import numeric


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    largest: int = Field(20, ge=1, le=1000, description="Largest summand.")


class Addition:
    name = "addition"

    def __init__(self, options: Options) -> None:
        pairs = [(a, b) for a in range(options.largest + 1) for b in range(options.largest + 1)]
        sums = [Question(f"{a}+{b}", "sums", f"What is {a} + {b}?", str(a + b)) for a, b in pairs]
        self.test, self.train = sums[::5], [question for index, question in enumerate(sums) if index % 5]

    def train_questions(self) -> list[Question]:
        return self.train

    def test_questions(self) -> list[Question]:
        return self.test

    def messages(self, question: Question) -> list[Message]:
        return [{"role": "user", "content": f"{question.text} Answer in this form: <answer>7</answer>"}]

    def verify(self, question: Question, answer_text: str) -> Verdict:
        return numeric(question, answer_text)


KIND = TaskKind("addition", "Sums of two numbers.", Options, lambda options, data_roots: Addition(options))
