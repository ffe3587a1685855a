"""The rule-based teacher: it names the first mistake in the student's reasoning and never a letter."""

from tasks.materials.prompts import Prompt, parse_prompt
from tasks.materials.reasoning import first_mistake, parse_reasoning


def hint(question_text: str, answer_text: str) -> str:
    """Guidance for one answer, in the student's own vocabulary.

    No hint names any letter, so none can reveal the right one. Raises ValueError if `question_text` holds no
    question of the materials table.
    """
    prompt = parse_prompt(question_text)
    match first_mistake(prompt, answer_text):
        case "format":
            return "write your reasoning first , then give one letter as the answer ."
        case "misread":
            return "you misread the table , copy the values again ."
        case "reading":
            return _wrong_reading(prompt, answer_text)
        case "selection":
            return f"compare the values again , that is not the {prompt.reading} ."
        case "contradiction":
            return "your answer differs from your reasoning ."
        case None:
            return "your answer is correct ."


def _wrong_reading(prompt: Prompt, answer_text: str) -> str:
    given = parse_reasoning(answer_text)
    taken = given.reading if given else "table"
    if prompt.is_plain:
        return f"you took the {taken} but the question wants the {prompt.reading} ."
    return f"you took the {taken} but {prompt.asked} means the {prompt.reading} ."
