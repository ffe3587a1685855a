"""Brings exported cassettes back: JSON lines that are checked, all of them, before the first is kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.errors import Problem
from pydantic import ValidationError

from teacher_gateway.cassette.entry import Entry, key_of
from teacher_gateway.cassette.files import CassetteFiles


@dataclass(frozen=True)
class Imported:
    """How many entries were new, and how many keys the cassette had already: those stay as they are."""

    added: int
    known: int


async def import_lines(files: CassetteFiles, cassette: str, lines: Iterable[bytes]) -> Imported:
    """Raises a 422 Problem that names the first line which is no entry of this version; nothing is kept then."""
    entries = {entry.key: entry for entry in map(parse_line, range(1, 1 << 62), lines) if entry is not None}
    new = [entry for entry in entries.values() if not files.has(cassette, entry.key)]
    for entry in new:
        await files.keep(cassette, entry)
    return Imported(len(new), len(entries) - len(new))


def parse_line(number: int, line: bytes) -> Entry | None:
    """None for an empty line. The key must be that of the question: nobody's answer stands in for another's."""
    if not line.strip():
        return None
    try:
        entry = Entry.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "line"
        raise refused(number, f"{place}: {first['msg']}") from None
    if entry.key != key_of(entry.asked):
        raise refused(number, "key: is not the hash of `asked`; export the cassette again")
    return entry


def refused(number: int, fault: str) -> Problem:
    """Which line, and what is wrong with it."""
    return Problem(
        422, "invalid_request", f"Line {number} is no entry of a cassette: {fault}.", field=f"lines.{number}"
    )
