"""schemathesis asks a real orchestrator everything that its OpenAPI document allows, and what it forbids."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .system import System

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
# A job has a hundred fields, whose boundary values alone take a minute or two: they are for the whole.
LESS = "\n[operations.phases.coverage]\nenabled = false\n"
# Of each operation and phase: some seconds for the sample, some minutes for the whole.
SAMPLE_EXAMPLES, WHOLE_EXAMPLES = 6, 150
RUN_SECONDS = 240
WHOLE_SECONDS = 1800


@pytest.mark.timeout(RUN_SECONDS + 120)
def test_schemathesis_finds_nothing_without_keys(system: System, tmp_path: Path) -> None:
    find_nothing(system, tmp_path, system.open_url, None, SAMPLE_EXAMPLES, RUN_SECONDS)


@pytest.mark.timeout(RUN_SECONDS + 120)
def test_schemathesis_finds_nothing_with_keys(system: System, tmp_path: Path) -> None:
    find_nothing(system, tmp_path, system.guarded_url, system.keys["admin"], SAMPLE_EXAMPLES, RUN_SECONDS)


@pytest.mark.fuzz
@pytest.mark.timeout(2 * WHOLE_SECONDS)
@pytest.mark.parametrize("guarded", [False, True])
def test_schemathesis_finds_nothing_in_many_examples(system: System, tmp_path: Path, guarded: bool) -> None:
    url, key = (system.guarded_url, system.keys["admin"]) if guarded else (system.open_url, None)
    find_nothing(system, tmp_path, url, key, WHOLE_EXAMPLES, WHOLE_SECONDS)


def find_nothing(system: System, directory: Path, url: str, key: str | None, examples: int, seconds: int) -> None:
    """Every phase: the document's examples, boundary values, random requests, and walks along its links."""
    settings = directory / "schemathesis.toml"
    sample = LESS if examples == SAMPLE_EXAMPLES else ""
    settings.write_text("\n".join([CONFIGURATION.read_text() + sample, *words_of(system)]))
    command = [str(Path(sys.executable).with_name("st")), "--config-file", str(settings), "run"]
    command += [f"{url}/openapi.json", "--max-examples", str(examples), "--no-color", "--seed", "1"]
    command += [] if key is None else ["--header", f"Authorization: Bearer {key}"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(r"Stateful", done.stdout), "the stateful phase did not run"


def words_of(system: System) -> list[str]:
    """Tables of words that mean something in this system."""
    words = {
        "jobs": system.jobs,
        "episodes": system.episodes,
        "students": ["models/materials-base"],
        "tasks": ["materials"],
        "few": [1, 2],
    }
    return [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in words.items()]
