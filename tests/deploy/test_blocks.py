"""Every command block of the documents is run by a test, or says why not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..stacks import REPOSITORY

COMMAND_SECONDS = 60
PAGES = sorted(
    [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *REPOSITORY.glob("docs/*.md"),
        *REPOSITORY.glob("deploy/**/*.md"),
    ]
)
BLOCK = re.compile(r"^(.*)\n```(?:bash|sh|console)\n", re.M)
EXECUTED = re.compile(r"<!-- (?:.*, )?executed by (tests/\S+) -->")
NOT_EXECUTED = re.compile(r"<!-- not executed: \w.+ -->")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_block_says_who_runs_it(page: Path) -> None:
    for above in BLOCK.findall(page.read_text()):
        by = EXECUTED.fullmatch(above)
        assert by or NOT_EXECUTED.fullmatch(above), f"a block below {above!r}"
        assert not by or (REPOSITORY / by[1]).exists(), above


def test_the_overlay_renders_as_the_page_says(tmp_path: Path) -> None:
    page = (REPOSITORY / "deploy/kubernetes/README.md").read_text()
    block = page.split("executed by tests/deploy/test_blocks.py -->\n```bash\n", 1)[1].split("```", 1)[0]
    (tmp_path / "deploy").symlink_to(REPOSITORY / "deploy")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", block], cwd=tmp_path, env=environment, timeout=COMMAND_SECONDS, check=True)
    kinds = {item["kind"] for item in yaml.safe_load_all((tmp_path / "socratic-cpu.yaml").read_text())}
    assert {"Deployment", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"} <= kinds
