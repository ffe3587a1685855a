"""The example of docs/writing-a-teacher.md, taken from the page and installed."""

import re
from pathlib import Path

import pytest

from .conftest import StartGateway, StartTeacher
from .scripted import guidance_request, http_answer

PAGE = Path(__file__).parents[3] / "docs" / "writing-a-teacher.md"
LONGEST_EXAMPLE_LINES = 40


def block(language: str) -> str:
    """The page's code block in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's package, as an installer lays it out."""
    (tmp_path / "my_teacher.py").write_text(block("python"))
    metadata = tmp_path / "my_teacher-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-teacher\nVersion: 1.0\n")
    group, line = re.findall(r'entry-points."(.*?)"\]\n(.*?)\n', block("toml"))[0]
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))


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
