"""The example of docs/writing-a-teacher.md, taken from the page and installed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import StartGateway, StartTeacher
from .scripted import guidance_request, http_answer

PAGE = Path(__file__).parents[3] / "docs" / "writing-a-teacher.md"
LONGEST_EXAMPLE_LINES = 40
# pip builds one small wheel; a machine under full load has taken twenty.
INSTALL_SECONDS = 90


def block(language: str) -> str:
    """The page's code block in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example, from its sources and without any network."""
    package, target = tmp_path_factory.mktemp("my-teacher"), tmp_path_factory.mktemp("site")
    (package / "my_teacher.py").write_text(block("python"))
    project = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    project += '[project]\nname = "my-teacher"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["my_teacher"]\n'
    (package / "pyproject.toml").write_text(project + block("toml"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--disable-pip-version-check", "--root-user-action=ignore", "--target", str(target), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip laid out, on the path."""
    monkeypatch.syspath_prepend(str(site))


def test_the_example_is_short() -> None:
    assert len(block("python").splitlines()) <= LONGEST_EXAMPLE_LINES


@pytest.mark.usefixtures("installed")
async def test_the_example_teaches(start_gateway: StartGateway, start_teacher: StartTeacher, tmp_path: Path) -> None:
    server = await start_teacher(http_answer(503, {}), http_answer(200, {"text": "Check the carry."}))
    file = block("yaml").replace("http://127.0.0.1:9000", server.base_url)
    (tmp_path / "teachers.yaml").write_text(file)
    gateway = await start_gateway({"MY_TEACHER_KEY": "k-1"}, teachers_file=tmp_path / "teachers.yaml")
    answer = await gateway.post("/v1/guidance", json=guidance_request({"name": "coach"}))
    assert (answer.status_code, answer.json()["text"], answer.json()["provider"]) == (200, "Check the carry.", "mine")
    assert len(server.seen) == 2
    assert server.seen[0].headers["x-key"] == "k-1"
    assert server.seen[0].body["style"] == "strict"
