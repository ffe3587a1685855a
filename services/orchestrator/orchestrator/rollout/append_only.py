"""What a chat template adds after an answer, and the proof that it never changes what it wrote before."""

from collections.abc import Callable

Message = dict[str, str]
Render = Callable[[list[Message], bool], str]
"""(messages, whether to open the assistant's next turn) -> text. Raises ValueError for messages it does not take."""

ANSWER = "plain answer"
GUIDANCE = "guidance"
PROBES = {
    "plain text": ANSWER,
    "tags": "<reasoning>\nwhy\n</reasoning>\n<answer>\nA\n</answer>",
    "a <think> block": "<think>\nhm\n</think>\n\nso it is A",
    "white space at both ends": " \n answer \n\n ",
    "Unicode": "naïve Ω → 電子 e\u0301 🧪",
}


class NotAppendOnly(ValueError):
    """The template rewrites an earlier part of the dialogue; says for which probe."""


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def end_of_turn(render: Render) -> str:
    """What the template writes behind an answer that nothing follows. Raises NotAppendOnly."""
    return _rest("plain text", render([user("question"), assistant(ANSWER)], False), answered(render))


def answered(render: Render) -> str:
    """A dialogue up to the end of its first answer, which `user_turn` continues."""
    return render([user("question")], True) + ANSWER


def user_turn(render: Render, text: str, start: str) -> str:
    """What follows an answer: its end of turn, the user turn with `text`, the opening of the next answer.

    start: what `answered` gives.
    """
    return _rest("plain text", render([user("question"), assistant(ANSWER), user(text)], True), start)


def prove_append_only(render: Render) -> None:
    """Raises NotAppendOnly for the first probe whose dialogue is not a prefix of its continuation, or whose answer
    changes how the template continues."""
    turn = user_turn(render, GUIDANCE, answered(render))
    for dialogue in _openings(render):
        opened = render(dialogue, True)
        for name, answer in PROBES.items():
            told = render([*dialogue, assistant(answer)], False)
            grown = render([*dialogue, assistant(answer), user(GUIDANCE)], True)
            _rest(name, told, opened)
            _rest(name, grown, told)
            if not grown.endswith(turn):
                raise NotAppendOnly(f"the probe with {name} changes what follows it")


def _openings(render: Render) -> list[list[Message]]:
    """Dialogues before an answer: first and second attempt, with a system turn where the template takes one."""
    question = user("question")
    openings = [[question], [question, assistant(ANSWER), user("first guidance")]]
    try:
        render([{"role": "system", "content": "instruction"}, question], True)
    except ValueError:
        return openings
    return openings + [[{"role": "system", "content": "instruction"}, *opening] for opening in openings]


def _rest(probe: str, text: str, start: str) -> str:
    if not text.startswith(start):
        raise NotAppendOnly(f"the probe with {probe} is rendered differently once the dialogue goes on")
    return text[len(start) :]
