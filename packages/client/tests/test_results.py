"""Figures of a finished job, its last line, and its curves."""

import io
from pathlib import Path

from matplotlib.image import imread
from rich.console import Console
from socratic.curves import learning_curves, save_curves
from socratic.results import result_of, result_table, summary_line


def test_the_last_line_is_what_scripts_read(step_records, evaluation_records) -> None:
    result = result_of(step_records, evaluation_records, 161.4)
    assert summary_line("demo", result) == "demo: unassisted 0.33 -> 0.81, guided 0.89 -> 0.93, 3 steps, 161 s"


def test_figures_are_summed_over_the_steps(step_records, evaluation_records) -> None:
    result = result_of(step_records, evaluation_records, 1.0)
    assert (result.cold_batches, result.failed_episodes, result.teacher_price_usd) == (1, 3, 1.5)
    assert result.logprob_gap_max == 3e-6


def test_the_table_sets_base_and_trained_side_by_side(step_records, evaluation_records) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(result_table(result_of(step_records, evaluation_records, 161.4)))
    text = console.export_text()
    rows = [line.split("│")[1:-1] for line in text.splitlines() if "unassisted" in line]
    assert [cell.strip() for cell in rows[0]] == ["unassisted (first attempt)", "0.33", "0.81", "+0.48"]
    assert "3.0e-06" in text


def test_curves_have_accuracies_above_and_the_decay_factor_below(step_records, evaluation_records) -> None:
    accuracy, decay = learning_curves("small", step_records, evaluation_records).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in accuracy.lines}
    assert lines["unassisted, held-out"] == [[0, 0.33], [3, 0.81]]
    assert lines["guided, held-out"] == [[0, 0.89], [3, 0.93]]
    assert lines["unassisted, training batch"] == [[1, 0.3], [2, 0.0], [3, 0.6]]
    assert lines["guided, training batch"] == [[1, 0.6], [2, 0.3], [3, 0.9]]
    assert decay.lines[0].get_xydata().tolist() == [[1, 0.3], [2, 0.0], [3, 0.6]]
    assert decay.get_xlabel() == "training step"
    assert accuracy.get_shared_x_axes().joined(accuracy, decay)


def test_the_png_is_a_picture_with_something_on_it(tmp_path: Path, step_records, evaluation_records) -> None:
    path = tmp_path / "new" / "curves.png"
    save_curves(path, "small", step_records, evaluation_records)
    pixels = imread(path)
    assert pixels.shape[:2] == (900, 1200)
    assert pixels[..., :3].std() > 0.05
