"""The sections of a teacher prompt that the tutor reads."""

import re

# The question comes first and holds no tags of its own; the answer is the student's, who may have written any tag.
QUESTION = re.compile(r"<question>(.*?)</question>", re.DOTALL)
LATEST_ANSWER = re.compile(r"<latest_answer>(.*)</latest_answer>", re.DOTALL)

# Behind the student's answer, so that no student can write one.
GROUND_TRUTH = re.compile(r"</latest_answer>(?!.*</latest_answer>).*<ground_truth>(.*?)</ground_truth>", re.DOTALL)


def read_sections(prompt: str) -> tuple[str, str]:
    """The question (first section of its name) and the latest answer (up to the last closing tag).

    Raises ValueError naming the section that is missing.
    """
    question = QUESTION.search(prompt)
    if question is None:
        raise ValueError("the last user message has no <question>...</question> section")
    answer = LATEST_ANSWER.search(prompt, question.end())
    if answer is None:
        raise ValueError("the last user message has no <latest_answer>...</latest_answer> section after its question")
    return question[1].strip(), answer[1].strip()


def read_ground_truth(prompt: str) -> str | None:
    """The right answer, where the prompt shows it."""
    found = GROUND_TRUTH.search(prompt)
    return found[1].strip() if found else None
