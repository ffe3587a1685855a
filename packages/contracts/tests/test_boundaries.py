"""What may import what: contracts stay light, services stay apart."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import contracts
import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"torch", "fastapi", "redis", "celery", "transformers", "aiohttp", "starlette", "uvicorn", "numpy"}
# A fresh interpreter imports pydantic and msgspec in about a second; a machine under load may need many.
IMPORT_SECONDS = 60.0
SERVICES = sorted(
    path.parent.name for path in (ROOT / "services").glob("*/*/__init__.py") if path.parent.name != "tests"
)
PACKAGES = sorted(
    path.parent.name for path in (ROOT / "packages").glob("*/*/__init__.py") if path.parent.name != "tests"
)


def test_contracts_import_nothing_heavy() -> None:
    modules = [f"contracts.{module.name}" for module in pkgutil.iter_modules(contracts.__path__)]
    assert "contracts.episodes" in modules
    program = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=IMPORT_SECONDS, check=True
    )
    loaded = set(ended.stdout.split())
    assert {"pydantic", "msgspec"} <= loaded
    assert not loaded & HEAVY


def imported_by(path: Path) -> set[str]:
    """Top-level names of everything that a file imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


def imports_of(name: str) -> set[str]:
    """Everything that the files of a service or package import; tests excluded."""
    (directory,) = [*ROOT.glob(f"services/*/{name}"), *ROOT.glob(f"packages/*/{name}")]
    return set().union(*(imported_by(path) for path in directory.rglob("*.py")))


def test_the_rooms_are_found() -> None:
    assert SERVICES == ["orchestrator", "student_inference", "teacher_gateway", "trainer", "tutor"]
    assert {"contracts", "servicekit", "socratic", "students", "tasks"} <= set(PACKAGES)


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    assert not imports_of(service) & (set(SERVICES) - {service})


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_never_import_a_service(package: str) -> None:
    assert not imports_of(package) & set(SERVICES)


def test_contracts_import_only_pydantic_and_msgspec_besides_the_standard_library() -> None:
    assert imports_of("contracts") <= {*sys.stdlib_module_names, "contracts", "pydantic", "msgspec"}
