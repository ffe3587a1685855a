"""Precision and recall of the leak guard's rules on 242 labelled guidance texts (benchmarks/data/leak_guard.jsonl).

The texts were written for this project: 24 questions, five or so texts of each kind for each, leaking by letter, place,
value, elimination or copied solution. The rules were tuned on the 12 questions of split `tune`; on split `report` they
first had precision 0.983 and recall 0.983, after which one fault that it showed (`50 mL` for `50.0 mL`) was mended. The
rules' author wrote the texts as well, so expect less on the free prose of a teacher.
The peer is what one writes first: a search for the words `answer is` and for the right option's text.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from teacher_gateway.leaks.answer import RightAnswer, stem_of
from teacher_gateway.leaks.judge import judge

DATA = Path(__file__).parent / "data" / "leak_guard.jsonl"
GOAL = 1.0
Guard = Callable[[str, RightAnswer], bool]


def rules(text: str, answer: RightAnswer) -> bool:
    """The leak guard."""
    return judge(text, answer).leaked


def keyword_search(text: str, answer: RightAnswer) -> bool:
    """The peer."""
    return "answer is" in text.lower() or answer.text.lower() in text.lower()


def examples(split: str) -> Iterator[dict[str, Any]]:
    """The labelled texts of a split."""
    for line in DATA.read_text("utf-8").splitlines():
        example = json.loads(line)
        if example["split"] == split:
            yield example


def answer_of(example: dict[str, Any]) -> RightAnswer:
    """What the guard is told about an example."""
    options, letter = example["options"], example["answer"]
    stem = stem_of(example["question"], tuple(options))
    return RightAnswer(letter, options[letter], options, stem, example["solution"] or "")


def measure(guard: Guard, split: str) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean F1."""
    counts = Counter((guard(one["text"], answer_of(one)), one["leaks"]) for one in examples(split))
    found, flagged, leaks = (
        counts[True, True],
        counts[True, True] + counts[True, False],
        counts[True, True] + counts[False, True],
    )
    return found / flagged, found / leaks, 2 * found / (flagged + leaks)


def main() -> None:
    """A table, the errors, and the line that a script can read."""
    out = sys.stdout.write
    results = {}
    for name, guard in (("rules", rules), ("keyword search", keyword_search)):
        for split in ("tune", "report"):
            results[name, split] = precision, recall, f1 = measure(guard, split)
            out(f"{name:15} {split:7} precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}\n")
    for example in examples("report"):
        if rules(example["text"], answer_of(example)) != example["leaks"]:
            out(f"{'missed' if example['leaks'] else 'false alarm'}: {example['id']}: {example['text']}\n")
    ratio = results["rules", "report"][2] / results["keyword search", "report"][2]
    out(f"leak_guard: ratio {ratio:.2f} (goal {GOAL:.2f}), against keyword search (F1 on held-out questions)\n")


if __name__ == "__main__":
    main()
