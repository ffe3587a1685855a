"""Both make-base commands end to end, with a few steps; equal seeds give equal bytes."""

import hashlib
import json
from pathlib import Path

import pytest
from rich.console import Console
from students import materials, recipes
from students.architecture import Size
from students.cli import app
from students.supervised import Schedule
from students.wordbase import Recipe
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.recipes import RecipesOptions, RecipesTask
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

BRIEF = Schedule(steps=2, learning_rate=1e-3, warmup=1)
TINY = Size(hidden=32, layers=1, heads=2, kv_heads=1, feed_forward=64, context=1024)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 4)):
        options = {"A": "1 m", "B": "2 m", "C": "3 m"}
        items = [
            {"id": f"{split}-{n}", "question": f"How far in {split} {n}?", "options": options, "answer": "A"}
            for n in range(count)
        ]
        (tmp_path / f"physics_{split}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return tmp_path


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def make_materials(out: Path, seed: int) -> dict[str, str]:
    recipe = Recipe(seed=seed, batch=4, skill=BRIEF, dialogue=BRIEF)
    task = MaterialsTask(MaterialsOptions(test_questions=4))
    figures = materials.make_materials_base(out, task, recipe, Console(quiet=True))
    assert all(0 <= value <= 1 for value in figures.values())
    return digests(out)


def test_materials_is_reproducible(tmp_path: Path) -> None:
    first = make_materials(tmp_path / "one" / "base", seed=0)
    assert make_materials(tmp_path / "two" / "base", seed=0) == first
    other = make_materials(tmp_path / "three" / "base", seed=1)
    assert other["model.safetensors"] != first["model.safetensors"]


def test_a_teacher_has_the_words_of_the_base_and_other_weights(tmp_path: Path) -> None:
    base = make_materials(tmp_path / "base", seed=0)
    recipe, task = Recipe(batch=4, skill=BRIEF, dialogue=BRIEF), MaterialsTask(MaterialsOptions(test_questions=4))
    materials.make_materials_teacher(tmp_path / "teacher", task, recipe, Console(quiet=True))
    teacher = digests(tmp_path / "teacher")
    assert teacher["tokenizer.json"] == base["tokenizer.json"]
    assert teacher["model.safetensors"] != base["model.safetensors"]
    assert "--teacher" in (tmp_path / "teacher" / "README.md").read_text()


def test_recipes_is_reproducible(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        task = RecipesTask(RecipesOptions(test_questions=12))
        recipe = Recipe(seed=0, batch=4, skill=BRIEF, dialogue=BRIEF)
        out = tmp_path / name / "base"
        figures = recipes.make_recipes_base(out, task, recipe, Console(quiet=True))
        assert all(0 <= value <= 1 for value in figures.values())
        made.append(digests(out))
    assert made[0] == made[1]


def test_sciknoweval_is_made_by_its_command_and_loads(data: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "one" / "base", tmp_path / "two" / "base"]
    for out in runs:
        size = ["--hidden", "32", "--layers", "1", "--heads", "2", "--context", "1024"]
        shape = [*size, "--vocab", "300", "--steps", "2", "--seed", "3"]
        command = ["make-base", "sciknoweval", "--data", str(data), "--domain", "physics", "--out", str(out), *shape]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert result.output.splitlines()[-1] == f"student: {out}"
    assert digests(runs[0]) == digests(runs[1])
    model = AutoModelForCausalLM.from_pretrained(runs[0], local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(runs[0], local_files_only=True)
    assert (model.config.hidden_size, model.config.num_hidden_layers, model.config.vocab_size) == (32, 1, 300)
    assert tokenizer.chat_template
    assert " ".join(shape) in (runs[0] / "README.md").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--domain", "alchemy"], "task.options.domain"),
        (["--context", "64"], "make the context at least"),
        (["--hidden", "30", "--heads", "4"], "multiple of twice the heads"),
    ],
)
def test_bad_input_is_a_usage_error(data: Path, tmp_path: Path, changes: list[str], said: str) -> None:
    good = ["--data", str(data), "--domain", "physics", "--out", str(tmp_path / "base"), "--vocab", "300"]
    result = CliRunner().invoke(app, ["make-base", "sciknoweval", *good, *changes], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "base").exists()
