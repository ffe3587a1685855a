"""The page: complete for complete results, honest for partial ones, the same for the same data."""

from pathlib import Path

import pytest
import yaml
from matplotlib.image import imread
from study.cli import app
from study.plan import Plan, cells
from study.records import CellResult
from study.report.document import write
from study.result_files import append_result
from typer.testing import CliRunner

from .makers import cell
from .test_plan import CONTENT, plan_of

EXPERIMENT = CONTENT["experiments"][0]
PLANNED = {"main": 8, "search": 2}


def results() -> list[CellResult]:
    arms = {"socratic_po": 0.1, "late": 0.0}
    return [
        cell(arm, student, seed, [0.3, 0.5 + gain, 0.7 + gain + 0.01 * seed])
        for arm, gain in arms.items()
        for student in ("base-0", "base-1")
        for seed in (0, 1)
    ]


def page_of(directory: Path, plan: Plan, found: list[CellResult]) -> str:
    page = directory / "study.md"
    write(plan, PLANNED, found, page)
    return page.read_text("utf-8")


def test_the_tables_tell_means_and_paired_differences(tmp_path: Path) -> None:
    text = page_of(tmp_path, plan_of(), results())
    # Arms end at 0.80 and 0.81 against 0.70 and 0.71; every pair is 0.1 apart.
    assert "| SocraticPO | 4 | 0.805 ± 0.006 |" in text
    assert "| w/o decay | 4 | 0.705 ± 0.006 |" in text
    assert "**-0.100 [-0.100, -0.100]**, 0 of 4" in text
    assert "base-0 -0.075, base-1 -0.075" in text


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    text = page_of(tmp_path, plan_of(), results()[:3])
    assert "Not run (0 of 2 cells): `socratic study run --only search`" in text
    assert "3 of 8 cells" in text


def test_a_failed_cell_is_named_and_in_no_table(tmp_path: Path) -> None:
    failed = cell("late", "base-0", 0, [0.3, 0.0], status="failed", reason="engine.unreachable")
    text = page_of(tmp_path, plan_of(), [*results()[:4], failed])
    assert "- failed: `main/late/base-0/seed-0`: engine.unreachable" in text
    assert "| w/o decay |" not in text


def test_words_of_people_are_included(tmp_path: Path) -> None:
    (tmp_path / "study" / "words").mkdir(parents=True)
    (tmp_path / "study" / "words" / "main.md").write_text("Decay helps here.\n")
    assert "Decay helps here." in page_of(tmp_path, plan_of(), results())


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    pages = [page_of(tmp_path / name, plan_of(), results()) for name in ("one", "two")]
    assert pages[0] == pages[1]
    pictures = sorted((tmp_path / "one" / "study").glob("*.png"))
    assert [path.name for path in pictures] == [
        f"main-{name}.png" for name in ("curves", "decay-laboratory", "differences", "dynamics")
    ]
    for path in pictures:
        assert path.read_bytes() == (tmp_path / "two" / "study" / path.name).read_bytes()
        assert imread(path).std() > 0.05  # something is drawn


@pytest.mark.parametrize("count", range(1, 5))
def test_any_beginning_of_the_results_can_be_reported(tmp_path: Path, count: int) -> None:
    assert f"{count} of 8 cells" in page_of(tmp_path, plan_of(), results()[:count])


def test_the_command_reports_what_lies_in_the_directory(tmp_path: Path) -> None:
    """The plan's own fingerprints: results of another plan would be refused."""
    content = CONTENT | {"experiments": [EXPERIMENT | {"rates_from": None}]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    planned = {each.id: each.fingerprint for each in cells(Plan.model_validate(content), {})}
    for result in results()[:5]:
        append_result(tmp_path / "results", result.model_copy(update={"fingerprint": planned[result.cell]}))
    options = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "page.md")]
    ended = CliRunner().invoke(app, ["report", str(tmp_path / "small.yaml"), *options])
    assert ended.exit_code == 0, ended.output
    assert f"report: 5 of 8 cells, {tmp_path / 'page.md'}" in ended.output
    assert "![main: curves](page/main-curves.png)" in (tmp_path / "page.md").read_text()
