"""The student's dialogue as token ids: the prompt is rendered once, then the sequence only grows (invariant 4)."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from contracts.errors import Problem, invalid
from jinja2.exceptions import TemplateError

from orchestrator.rollout.append_only import Message, NotAppendOnly, answered, end_of_turn, prove_append_only, user_turn
from orchestrator.rollout.control_tokens import ControlTokens, decoder
from orchestrator.rollout.student_files import read_student

FIELD = "student.model"
# The built-in tutor has some hundred sentences and the retry text is one; the words of other teachers rarely repeat.
KEPT_TURNS = 1024


class StudentChat:
    """Tokenizer and chat template of one student.

    context_length: tokens that fit the model. vocab_size: every id is below it. end_of_turn_id: the token by which the
    student ends an answer.
    """

    def __init__(self, tokenizer: Any, control: ControlTokens, context_length: int, vocab_size: int, end: int) -> None:
        self.tokenizer = tokenizer
        self.control = control
        self.context_length = context_length
        self.vocab_size = vocab_size
        self.end_of_turn_id = end
        self.decode = decoder(tokenizer)
        self._turn_ids = lru_cache(KEPT_TURNS)(self._made_turn_ids)

    @classmethod
    def load(cls, model_dir: Path) -> "StudentChat":
        """Read and check a student's directory; nothing is downloaded and no code of it runs.

        Raises a 422 Problem (field student.model) that says what is missing or unfit, and how to mend it.
        """
        files = read_student(model_dir)
        control = ControlTokens(files.tokenizer, files.plain_tokenizer)
        end = proven_end_of_turn(files.tokenizer, control, files.end_token_ids)
        return cls(files.tokenizer, control, files.context_length, files.vocab_size, end)

    def prompt_ids(self, messages: list[Message]) -> list[int]:
        """The prompt, up to where the student's first answer begins.

        Raises a 422 Problem when the template does not take these messages (say, a system turn).
        """
        hidden = [{**message, "content": self.control.hide(message["content"])} for message in messages]
        try:
            return self.control.encode(self.render(hidden, True))
        except ValueError as error:
            raise invalid(FIELD, f"its chat template refuses the task's messages: {error}") from error

    def user_turn_ids(self, text: str, ended: bool) -> list[int]:
        """What follows an answer: the rest of its end of turn, a user turn with `text`, the opening of the next answer.

        ended: the student sampled `end_of_turn_id` last; False adds the whole end of turn (the answer was cut).
        """
        ids = self._turn_ids(text)
        return list(ids[ids.index(self.end_of_turn_id) + 1 :] if ended else ids)

    def _made_turn_ids(self, text: str) -> Sequence[int]:
        return tuple(self.control.encode(user_turn(self.render, self.control.hide(text), self.answered)))

    @cached_property
    def answered(self) -> str:
        """What every user turn is cut off from."""
        return answered(self.render)

    def render(self, messages: list[Message], opens: bool) -> str:
        """The chat as text. Raises ValueError when the template refuses."""
        return render(self.tokenizer, messages, opens)

    def text_of(self, token_ids: list[int]) -> str:
        """What the student said, without control tokens: the text that is verified."""
        return self.decode(token_ids)


def render(tokenizer: Any, messages: list[Message], opens: bool) -> str:
    """The chat as text; `opens` adds the opening of an answer. Raises ValueError when the template refuses."""
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opens)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return text


def proven_end_of_turn(tokenizer: Any, control: ControlTokens, end_token_ids: frozenset[int]) -> int:
    """The token that ends an answer in this template, which is proved append-only on the way."""

    def render_with(messages: list[Message], opens: bool) -> str:
        return render(tokenizer, messages, opens)

    try:
        prove_append_only(render_with)
        closing = control.encode(end_of_turn(render_with))
    except NotAppendOnly as error:
        raise unfit(
            f"is not append-only ({error}): attempts after guidance would not continue what was sampled"
        ) from error
    except ValueError as error:
        raise unfit(f"fails on a plain dialogue ({error})") from error
    for token_id in closing:
        if token_id in end_token_ids:
            return token_id
    raise unfit("does not end an assistant turn with an eos token of the model, so that answers would never end")


def unfit(why: str) -> Problem:
    """A template that cannot be trained with."""
    fix = "give the directory a chat_template.jinja that writes each turn the same wherever it stands"
    return invalid(FIELD, f"the chat template {why}; {fix}")
