"""The leak probe: can the student answer from the guidance alone, without ever seeing the question?"""

import re
from typing import Any

import msgspec
from contracts.budgets import LeakProbe
from contracts.guidance import RETRY_TEXT
from pydantic import SecretStr
from servicekit.http_client import Connections, Door

from teacher_gateway.addresses import canonical
from teacher_gateway.leaks.answer import RightAnswer

# A few short answers; a weight swap that comes in between takes seconds. Guidance must not wait longer for its probe.
PROBE_SECONDS = 10.0
# A letter in its tags, with what a student may say before.
ANSWER_TOKENS = 64
ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL | re.IGNORECASE)


class Choice(msgspec.Struct):
    """One sampled answer, in OpenAI's shape."""

    message: dict[str, Any]


class Completion(msgspec.Struct):
    """All of them."""

    choices: list[Choice]


class ProbeFailed(Exception):
    """The student did not answer; the message says how."""


class StudentProbe:
    """Asks the student engine at `student_url` through its OpenAI route, with the policy that it serves now."""

    def __init__(self, connections: Connections, student_url: str, api_key: SecretStr | None = None) -> None:
        self._door = Door(connections, f"{canonical(student_url)}/v1/chat/completions", api_key)

    async def lift(self, guidance: str, answer: RightAnswer, probe: LeakProbe, seed: int) -> float:
        """Share of right answers from the guidance beyond what chance or the retry text gives, in [-1, 1].

        The retry text is the control: a student that always says B is no leak. Raises ProbeFailed.
        """
        told = await self._share(guidance, answer, probe.samples, seed)
        control = await self._share(RETRY_TEXT, answer, probe.samples, seed)
        return told - max(control, chance(answer))

    async def _share(self, guidance: str, answer: RightAnswer, samples: int, seed: int) -> float:
        body = {
            "model": "default",
            "messages": [{"role": "user", "content": question_about(guidance, answer)}],
            "temperature": 1.0,
            "max_tokens": ANSWER_TOKENS,
            "n": samples,
            "seed": seed,
        }
        try:
            found = await self._door.post(msgspec.json.encode(body), PROBE_SECONDS)
            completion = msgspec.json.decode(found.body, type=Completion)
        except (OSError, msgspec.MsgspecError) as error:
            raise ProbeFailed(type(error).__name__) from error
        said = [choice.message.get("content") or "" for choice in completion.choices]
        if found.status != 200 or not said:
            raise ProbeFailed(f"status {found.status}, {len(said)} answers")
        return sum(is_right(text, answer) for text in said) / len(said)


def question_about(guidance: str, answer: RightAnswer) -> str:
    """The guidance and the options, in their order and without the question."""
    options = "".join(f"{letter}: {text}\n" for letter, text in answer.options.items() if letter != text)
    named = f"The options of that question:\n{options}\n" if options else ""
    return (
        f"A teacher said this about a question that you cannot see:\n\n{guidance}\n\n{named}"
        "What is the answer to that question? Guess if you must. Write it as <answer>...</answer>."
    )


def chance(answer: RightAnswer) -> float:
    """Of a blind guess."""
    return 1 / len(answer.options) if len(answer.options) > 1 else 0.0


def is_right(said: str, answer: RightAnswer) -> bool:
    """The last tagged answer, or all that was said, is the right letter or text."""
    tagged = ANSWER.findall(said)
    given = (tagged[-1] if tagged else said).strip().strip(".").casefold()
    return given in {text.casefold() for text in (answer.letter, answer.text) if text}
