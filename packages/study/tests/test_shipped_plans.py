"""The plans that ship: whole, and what is committed from them is what they say."""

from pathlib import Path

import pytest
import yaml
from contracts.errors import Problem
from contracts.jobs import JobSpec
from study.cli import app
from study.plan_files import load_plan, planned_cells, write_jobs
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "examples" / "paper"


def test_the_jobs_of_the_paper_are_those_of_the_plan(tmp_path: Path) -> None:
    write_jobs(planned_cells(load_plan("full"), {}), tmp_path)
    written, committed = ({path.name: path.read_text() for path in each.glob("*.yaml")} for each in (tmp_path, PAPER))
    fix = "run: socratic study plan full --write examples/paper"
    assert sorted(written) == sorted(committed), fix
    assert written == committed, fix


def test_the_command_that_writes_them_minds_no_results_of_another_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    written = CliRunner().invoke(app, ["plan", "full", "--write", str(tmp_path), "--only", "physics"])
    assert written.exit_code == 0, written.output
    assert "job files" in written.output


def test_a_job_of_the_paper_has_the_released_settings() -> None:
    """Paper section 3 and the released script: K 2, 32 x 8, 8,192 tokens, lr 1e-6, clip 0.2, no KL, mean@16 at 0.6."""
    content = yaml.safe_load((PAPER / "physics-socratic_po_27b-qwen3-4b-seed-0.yaml").read_text())
    job = JobSpec.model_validate(content)
    rollout, training, evaluation = job.rollout, job.training, job.evaluation
    assert (rollout.max_attempts, rollout.prompts_per_step, rollout.group_size) == (2, 32, 8)
    assert (rollout.max_answer_tokens, rollout.temperature, training.learning_rate) == (8192, 1.0, 1e-6)
    assert (training.warmup_steps, training.schedule, training.weight_decay) == (10, "constant", 0.01)
    assert (training.minibatches, training.clip_low, training.clip_high, training.kl_coefficient) == (4, 0.2, 0.2, 0)
    assert (evaluation.samples, evaluation.temperature, evaluation.top_p, evaluation.every) == (16, 0.6, 0.95, 20)
    assert (job.teacher.temperature, job.teacher.max_guidance_tokens, job.teacher.view) == (0.2, 1024, "dialogue")


def test_the_miniature_compares_seven_methods_on_five_seeds_and_two_students() -> None:
    plan = load_plan("miniature")
    main, search = plan.experiment("main"), plan.experiment("lr_search")
    assert (len(main.arms), len(main.students), len(main.seeds + main.more_seeds)) == (7, 2, 5)
    # The same budget for every method, on a seed and on questions that nothing else uses.
    assert search.arms == main.arms
    assert not set(search.seeds) & {seed for each in plan.experiments if each != search for seed in each.seeds}
    seeds = {cell.job.task.options.get("seed", 0) for cell in planned_cells(plan, {}) if cell.experiment != "lr_search"}
    assert seeds == {0}


def test_a_plan_whose_patch_makes_no_job_is_refused_by_field(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "packages/study/study/plans/ci.yaml").read_text())
    content["experiments"][1]["arms"]["grpo"]["job"]["rollout"]["max_attempts"] = 2
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(Problem, match="method grpo trains on first attempts only"):
        load_plan(str(path))


def test_an_unknown_plan_is_told_which_there_are() -> None:
    with pytest.raises(Problem, match=r"no plan paper. Shipped plans: ci, full, miniature"):
        load_plan("paper")
