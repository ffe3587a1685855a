"""Cassettes as files: <root>/<cassette>/<first two digits of the key>/<key>.json, one guidance each.

Each file is written aside, synced and renamed, so any number of gateways may share the root: a reader finds a whole
entry or none, and two writers of one key leave one of two equal records. Redis was weighed and left: a cassette
outlives the jobs, is copied between machines, and must not compete with live jobs for memory.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import Problem
from pydantic import ValidationError

from teacher_gateway.cassette.entry import Entry
from teacher_gateway.keys import without


class CassetteFiles:
    """Reads and writes entries below `root`. Names were checked by the job's contract (CassetteSpec.name).

    Every key in `secrets` is taken out of whatever is written.
    """

    def __init__(self, root: Path, secrets: frozenset[str] = frozenset()) -> None:
        self._root = root
        self._secrets = secrets

    async def find(self, cassette: str, key: str) -> Entry | None:
        """The entry under this key. Raises a 500 Problem when the file is none."""
        return await asyncio.to_thread(read_entry, self._path(cassette, key))

    async def keep(self, cassette: str, entry: Entry) -> None:
        """Write an entry durably; an older one under the same key is replaced."""
        await asyncio.to_thread(write_entry, self._path(cassette, entry.key), self._clean(entry))

    def lines(self, cassette: str) -> Iterator[str]:
        """The whole cassette as JSON lines, ordered by key."""
        for path in sorted((self._root / cassette).glob("??/*.json")):
            yield path.read_text("utf-8")

    def has(self, cassette: str, key: str) -> bool:
        """There is an entry under this key."""
        return self._path(cassette, key).exists()

    def _clean(self, entry: Entry) -> Entry:
        return Entry.model_validate_json(without(entry.model_dump_json(), self._secrets))

    def _path(self, cassette: str, key: str) -> Path:
        return self._root / cassette / key[:2] / f"{key}.json"


def read_entry(path: Path) -> Entry | None:
    """None where there is no such file. Raises a 500 Problem for one that is no entry of this version."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Entry.model_validate_json(text)
    except ValidationError as error:
        detail = f"{path.name} is no entry of a cassette ({error.error_count()} faults); delete it or restore it."
        raise Problem(500, "cassette_damaged", detail) from None


def write_entry(path: Path, entry: Entry) -> None:
    """One line of JSON, there in full or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(entry.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
