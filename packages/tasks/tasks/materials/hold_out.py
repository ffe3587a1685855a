"""What training can leave out on purpose, to see what the student carries over: terms, and letters of terms."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

from tasks.materials.prompts import TERMS, Prompt
from tasks.materials.table import LETTERS, Letter

Split = Literal["unseen_combination", "unseen_term"]
# Two terms of one meaning lose different letters, so training still asks every meaning with every letter.
UNSEEN_LETTERS: dict[str, Letter] = {term: LETTERS[index % len(LETTERS)] for index, term in enumerate(TERMS)}


def _known(term: str) -> str:
    if term not in TERMS:
        raise ValueError(f"no term {term!r}; there are: {', '.join(TERMS)}")
    return term


Term = Annotated[str, AfterValidator(_known)]


@dataclass(frozen=True)
class HoldOut:
    """What a task leaves out of training, and out of its ordinary test set."""

    terms: frozenset[str]
    combinations: bool

    @property
    def splits(self) -> list[Split]:
        """The sets that there are."""
        wanted: dict[Split, bool] = {"unseen_combination": self.combinations, "unseen_term": bool(self.terms)}
        return [split for split, held in wanted.items() if held]

    def split_of(self, prompt: Prompt) -> Split | None:
        """Where a question belongs; None for one that training may ask."""
        if prompt.asked in self.terms:
            return "unseen_term"
        if self.combinations and UNSEEN_LETTERS.get(prompt.asked) == prompt.answer:
            return "unseen_combination"
        return None
