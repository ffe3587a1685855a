"""Fails when a file or function outgrows the house rules: 300 lines a file, 40 a function (docs/decisions says why)."""

import ast
import sys
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 40
ROOMS = ("packages", "services", "tools", "benchmarks", "tests")
# path -> reason; a path here may exceed the limit. Empty is the goal.
ALLOWED: dict[str, str] = {}


def too_long(path: Path) -> list[str]:
    """The complaints about one file."""
    source = path.read_text()
    complaints = []
    lines = source.count("\n")
    if lines > FILE_LINES:
        complaints.append(f"{path}: {lines} lines (limit {FILE_LINES}): split it by concept")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                complaints.append(f"{path}:{node.lineno}: {node.name} has {length} lines (limit {FUNCTION_LINES})")
    return complaints


def main() -> int:
    """Print what is too long; 1 when there is anything."""
    files = [path for room in ROOMS for path in sorted(Path(room).rglob("*.py")) if str(path) not in ALLOWED]
    complaints = [complaint for path in files for complaint in too_long(path)]
    sys.stdout.write("".join(f"{complaint}\n" for complaint in complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    raise SystemExit(main())
