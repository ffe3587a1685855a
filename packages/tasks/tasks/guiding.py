"""What a rule-based teacher is asked for, besides the question and the answer."""

import random
from dataclasses import dataclass, field

from contracts.teachers import TutorManner


@dataclass(frozen=True)
class Lesson:
    """One guidance to give; equal lessons give equal words."""

    question_text: str
    answer_text: str
    manner: TutorManner = field(default_factory=TutorManner)
    seed: int = 0
    ground_truth: str | None = None  # where the job shows it

    def dice(self) -> random.Random:
        """The chance of this episode and attempt."""
        return random.Random(f"tutor/{self.seed}")

    def told_answer(self) -> str:
        """Raises ValueError where the right answer was not shown."""
        if self.ground_truth is None:
            raise ValueError("style answer needs a <ground_truth>...</ground_truth> section; set teacher.ground_truth")
        return f"the answer is {self.ground_truth} ."
