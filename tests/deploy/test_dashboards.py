"""The committed dashboards are what the code makes, and what Grafana's schema knows. No Grafana runs here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from ..stacks import REPOSITORY

COMMAND_SECONDS = 60
FOLDER = REPOSITORY / "deploy/grafana/dashboards"
PATHS = sorted(FOLDER.glob("*.json"))


def panels_of(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]


def test_the_files_are_made_from_the_code() -> None:
    command = [sys.executable, "tools/dashboards.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"run `python tools/dashboards.py`\n{done.stderr}"


def test_there_are_three() -> None:
    assert [path.stem for path in PATHS] == ["system", "teachers", "training"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_grafanas_own_models_read_every_field(path: Path) -> None:
    """What they do not know is lost on the way: then the second text differs."""
    text = path.read_text()
    read = Dashboard.from_json(json.loads(text))
    again = json.loads(JSONEncoder(sort_keys=True).encode(read))
    assert again == json.loads(text)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_each_says_what_it_means(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels_of(path):
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])
