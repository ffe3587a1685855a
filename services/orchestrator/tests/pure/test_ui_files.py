"""The web UI's files keep pace with what they tell of."""

import json
import re
from pathlib import Path
from typing import get_args

import orchestrator.ui
import yaml
from contracts.events import AnyEvent
from contracts.jobs import JobSpec

STATIC = Path(orchestrator.ui.__file__).parent / "static"
REPOSITORY = Path(__file__).parents[4]


def test_every_event_has_a_sentence() -> None:
    union, _ = get_args(AnyEvent)
    types = {event.model_fields["type"].default for event in get_args(union)}
    sentences = set(re.findall(r'^  "([a-z_.]+)": \(it\)', (STATIC / "js/parts/events.js").read_text(), re.MULTILINE))
    assert sentences == types


def test_the_form_begins_with_the_demo() -> None:
    shown = JobSpec.model_validate_json((STATIC / "demo-job.json").read_text())
    assert shown == JobSpec.model_validate(yaml.safe_load((REPOSITORY / "examples/materials.yaml").read_text()))


def test_no_markup_is_ever_parsed_and_nothing_comes_from_elsewhere() -> None:
    own = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts]
    assert len(own) > 20
    for path in own:
        text = path.read_text()
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"):
            assert forbidden not in text, f"{path.name}: {forbidden}"


def test_every_module_that_is_asked_for_is_there() -> None:
    for path in (STATIC / "js").rglob("*.js"):
        for asked in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', path.read_text()):
            assert (path.parent / asked).is_file(), f"{path.name} asks for {asked}"
    page = (STATIC / "index.html").read_text()
    for asked in re.findall(r'(?:src|href)="/static/([^"]+)"', page):
        assert (STATIC / asked).is_file(), asked
    assert json.loads((STATIC / "demo-job.json").read_text())["version"] == 1
