"""Downloads the SciKnowEval reasoning questions in the split of SDPO and SocraticPO, and writes them as JSON lines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from contracts.errors import Problem

# A commit and not a branch: the same questions for everybody, for ever.
SOURCE = "https://raw.githubusercontent.com/lasgroup/SDPO/0e6d5106abe69f578c63bf38a9394e22905c8773/datasets/sciknoweval"
# (training, test) questions of each domain in that split.
COUNTS = {"biology": (450, 50), "chemistry": (1890, 210), "material": (841, 94), "physics": (720, 80)}
SPLITS = ("train", "test")
# The largest file has a few MB; a line that cannot carry it in this time is down.
DOWNLOAD_SECONDS = 120.0
CLOSING = "Please reason step by step."
OPTION_START = re.compile(r"^([A-Z]): ?", re.MULTILINE)


def download(out: Path, source: str = SOURCE) -> Iterator[tuple[Path, int]]:
    """Write `<out>/<domain>_<split>.jsonl` for every domain and split; gives each path and its number of questions.

    Raises Problem when a file cannot be had, cannot be read, or has another number of questions than the split.
    """
    out.mkdir(parents=True, exist_ok=True)
    for domain, counts in COUNTS.items():
        for split, expected in zip(SPLITS, counts, strict=True):
            address = f"{source}/{domain}/{split}.json"
            questions = [convert(row, domain, split) for row in rows(fetch(address), address)]
            if len(questions) != expected:
                raise unexpected(address, f"{len(questions)} questions instead of {expected}")
            path = out / f"{domain}_{split}.jsonl"
            write_lines(path, questions)
            yield path, len(questions)


def fetch(address: str) -> str:
    """The file's text."""
    try:
        response = httpx2.get(address, timeout=DOWNLOAD_SECONDS, follow_redirects=True)
    except httpx2.HTTPError as error:
        reason = f"{address}: {error}. Check the network, or pass --source with a mirror of that folder."
        raise Problem(503, "download_failed", reason) from None
    if not response.is_success:
        raise Problem(503, "download_failed", f"{address}: HTTP {response.status_code}. Pass --source with a mirror.")
    return response.text


def rows(text: str, address: str) -> Iterator[dict[str, Any]]:
    """The source has one JSON object a line."""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield json.loads(line)
        except ValueError:
            raise unexpected(address, f"line {number} is no JSON") from None


def convert(row: dict[str, Any], domain: str, split: str) -> dict[str, Any]:
    """A row of the source, whose prompt is question, options and closing sentence in one text, taken apart."""
    try:
        name = f"{domain}-{row['idx']}"
        question, options = take_apart(row["prompt"])
        answer = row["answer"]
    except KeyError as error:
        raise unexpected(f"{domain}/{split}", f"a row has no {error}") from None
    if answer not in options:
        raise unexpected(name, f"the answer {answer!r} is none of the options {list(options)}")
    return {"id": name, "domain": domain, "split": split, "question": question, "options": options, "answer": answer}


def take_apart(prompt: str) -> tuple[str, dict[str, str]]:
    """(question, options) of `question`, an empty line, `A: ...` lines, closing sentence. White space is kept."""
    body = prompt.removesuffix(CLOSING)
    starts = list(OPTION_START.finditer(body))
    # The question itself may have lines that look like options; the real ones begin at the last A.
    first = max((index for index, start in enumerate(starts) if start[1] == "A"), default=len(starts))
    ends = [start.start() for start in starts[first + 1 :]] + [len(body)]
    options = {
        start[1]: body[start.end() : end].removesuffix("\n") for start, end in zip(starts[first:], ends, strict=False)
    }
    question_end = starts[first].start() if options else len(body)
    return body[:question_end].removesuffix("\n\n"), options


def write_lines(path: Path, questions: list[dict[str, Any]]) -> None:
    """All or nothing: a broken download leaves no half file behind."""
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(question, ensure_ascii=False) + "\n" for question in questions))
    partial.rename(path)


def unexpected(place: str, what: str) -> Problem:
    """The source is not what this converter was written for."""
    return Problem(
        502, "unexpected_data", f"{place}: {what}; the source has changed. Get the commit named in {SOURCE}."
    )
