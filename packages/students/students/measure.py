"""What a student can do: its answers to questions, alone and after guidance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tasks.base import Message, Question, Task, Verdict
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from students.examples import render

Guide = Callable[[Question, str], str]


@dataclass(frozen=True)
class Answers:
    """One attempt at each question; rates are shares of all questions."""

    texts: list[str]
    verdicts: list[Verdict]

    @property
    def accuracy(self) -> float:
        return sum(verdict.correct for verdict in self.verdicts) / len(self.verdicts)

    @property
    def format_rate(self) -> float:
        return sum(verdict.outcome != "malformed" for verdict in self.verdicts) / len(self.verdicts)


class Student:
    """A model and its tokenizer, asked many questions at once by Hugging Face's own generation."""

    def __init__(self, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, max_new_tokens: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_new_tokens = max_new_tokens

    def answer(self, dialogues: Sequence[list[Message]], temperature: float = 0.0) -> list[str]:
        """The next assistant turn of each dialogue, without its end token; temperature 0 is greedy."""
        prompts = [render(self.tokenizer, dialogue, add_generation_prompt=True) for dialogue in dialogues]
        inputs = self.tokenizer(
            prompts, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
        )
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        with torch.inference_mode():
            output_BT = self.model.generate(
                inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=self.max_new_tokens,
                **sampling,
            )
        prompt_width = inputs["input_ids"].shape[1]
        return list(self.tokenizer.batch_decode(output_BT[:, prompt_width:], skip_special_tokens=True))


def attempt(student: Student, task: Task, questions: Sequence[Question], temperature: float = 0.0) -> Answers:
    """First attempts."""
    texts = student.answer([task.messages(question) for question in questions], temperature)
    return Answers(texts, _verify(task, questions, texts))


def second_attempt(
    student: Student, task: Task, questions: Sequence[Question], first: Answers, guide: Guide, temperature: float = 0.0
) -> Answers:
    """Answers within two attempts: who was wrong gets guidance and answers again, who was right stays right."""
    wrong = [index for index, verdict in enumerate(first.verdicts) if not verdict.correct]
    texts, verdicts = list(first.texts), list(first.verdicts)
    dialogues = [_guided(task, questions[index], texts[index], guide) for index in wrong]
    answers = student.answer(dialogues, temperature) if dialogues else []
    for index, text in zip(wrong, answers, strict=True):
        texts[index], verdicts[index] = text, task.verify(questions[index], text)
    return Answers(texts, verdicts)


def _guided(task: Task, question: Question, text: str, guide: Guide) -> list[Message]:
    said = [{"role": "assistant", "content": text}, {"role": "user", "content": guide(question, text)}]
    return task.messages(question) + said


def _verify(task: Task, questions: Sequence[Question], texts: Sequence[str]) -> list[Verdict]:
    return [task.verify(question, text) for question, text in zip(questions, texts, strict=True)]
