"""The prompt with a right answer in it, as token ids: nothing that was sampled is tokenised again (invariant 4)."""

from dataclasses import dataclass
from pathlib import Path

from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from trainer.failures import JobFailure

BEFORE = "\n\nCorrect solution:\n\n"
AFTER = "\n\nCorrectly solve the original question."
PROBES = ("first probe", "second one")


@dataclass(frozen=True)
class Reprompt:
    """What stands around the demonstration, what closes the user's turn and opens the answer, and what ends answers."""

    before: list[int]
    after: list[int]
    closing: list[int]
    end: int | None

    @classmethod
    def load(cls, directory: Path) -> "Reprompt":
        """From the student's own chat template. Raises JobFailure when it has none that can be used."""
        try:
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
            turns = [
                tokenizer.apply_chat_template(
                    [{"role": "user", "content": probe}], tokenize=False, add_generation_prompt=True
                )
                for probe in PROBES
            ]
        except (OSError, ValueError, KeyError, ImportError, TemplateError) as error:
            raise JobFailure(
                "student_unsupported", f"method sdpo needs the student's chat template: {error}"
            ) from error
        endings = {turn.rpartition(probe)[2] for turn, probe in zip(turns, PROBES, strict=True)}
        if len(endings) != 1:
            raise JobFailure("student_unsupported", "method sdpo: the chat template closes a turn as its content says")
        before, after, closing = (
            tokenizer.encode(text, add_special_tokens=False) for text in (BEFORE, AFTER, endings.pop())
        )
        return cls(before, after, closing, tokenizer.eos_token_id)

    def context(self, prompt_ids: list[int], demonstration_ids: list[int]) -> list[int]:
        """The user's turn grown by the demonstration. Raises JobFailure for a prompt that does not end as expected."""
        if not self.closing or prompt_ids[-len(self.closing) :] != self.closing:
            raise JobFailure(
                "student_unsupported", "method sdpo: a prompt does not end as the chat template ends turns"
            )
        shown = demonstration_ids[:-1] if demonstration_ids[-1] in (self.closing[0], self.end) else demonstration_ids
        question = prompt_ids[: -len(self.closing)]
        return question + self.before + shown + self.after + self.closing
