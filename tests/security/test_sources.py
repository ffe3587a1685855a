"""What no source of this repository may do: unpickle, or load tensors by a format that can run code."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCES = [
    path
    for room in ("packages", "services", "benchmarks", "tools", "tests")
    for path in (REPOSITORY / room).rglob("*.py")
    if ".venv" not in path.parts
]
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def faults_in(source: str) -> list[str]:
    """Imports of what unpickles, loads that would, and names under which such a load could not be told."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            faults += [alias.name for alias in node.names if alias.name.partition(".")[0] in UNPICKLERS]
            faults += [f"torch as {alias.asname}" for alias in node.names if alias.name == "torch" and alias.asname]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in UNPICKLERS:
            faults.append(str(node.module))
        elif isinstance(node, ast.ImportFrom) and node.module == "torch":
            faults += ["load of torch" for alias in node.names if alias.name == "load"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            faults += fault_of_call(node, node.func)
    return faults


def fault_of_call(call: ast.Call, function: ast.Attribute) -> list[str]:
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    safe = {("weights_only", True), ("allow_pickle", False)}
    given = {(word.arg, getattr(word.value, "value", None)) for word in call.keywords}
    unsafe_numpy = ("allow_pickle", True) in given
    if (owner, function.attr) == ("torch", "load") and not given & safe:
        return [f"{owner}.load without weights_only=True"]
    return [f"{owner}.{function.attr} with allow_pickle"] if unsafe_numpy else []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import pickle", 1),
        ("from joblib import load", 1),
        ("import torch\ntorch.load(p)", 1),
        ("import torch\ntorch.load(p, weights_only=False)", 1),
        ("import torch\ntorch.load(p, weights_only=True)", 0),
        ("import torch as t\nt.load(p)", 1),
        ("from torch import load\nload(p)", 1),
        ("from torch import Tensor", 0),
        ("import numpy as np\nnp.load(p, allow_pickle=True)", 1),
        ("import json\njson.load(f)", 0),
    ],
)
def test_the_check_sees_what_it_must(source: str, count: int) -> None:
    assert len(faults_in(source)) == count


def test_nothing_is_unpickled() -> None:
    assert len(SOURCES) > 300
    found = {str(path.relative_to(REPOSITORY)): faults for path in SOURCES if (faults := faults_in(path.read_text()))}
    assert found == {}
