"""`python -m tests.browser.screenshots`: a picture of every page, made while and after the demo trains.

Both widths, both themes, into .socratic/screens; `--readme` puts the three of the README into docs/screens, in few
colours so that they stay small. `--url` takes a stack that runs already and has a job with trained steps.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from contracts.events import StepTrained
from contracts.jobs import JobSpec
from contracts.statuses import TERMINAL
from PIL import Image
from playwright.sync_api import Browser
from socratic.client import Client
from socratic.runs import own_stack

from ..stacks import REPOSITORY, materials_stack
from .chromium import NARROW, WIDE, Theme, browser, page_of

OUT = REPOSITORY / ".socratic" / "screens"
README_OUT = REPOSITORY / "docs" / "screens"
README = {"episode": "light", "job": "light", "step": "dark"}
# Enough for text, tints and anti-aliasing, at a fraction of the bytes of full colour.
README_COLORS = 255
README_HEIGHT = 1100
THEMES: tuple[Theme, ...] = ("light", "dark")
# Charts draw a frame after their data came.
DRAWN_MILLISECONDS = 600
# An early step has the most to show: half of the answers are still wrong.
SHOWN_STEP = 6


@contextmanager
def trained_stack(url: str | None) -> Iterator[str]:
    """The address of a stack on which the demo has been trained."""
    if url is not None:
        yield url
        return
    with (
        tempfile.TemporaryDirectory() as home,
        own_stack(materials_stack(Path(home)), os.environ, lambda state: None) as state,
    ):
        with Client(state.orchestrator_url) as client:
            train_demo(client)
        yield state.orchestrator_url


def train_demo(client: Client) -> None:
    """Submit the demo's job and wait for its end."""
    text = (REPOSITORY / "examples" / "materials.yaml").read_text()
    job = client.submit(JobSpec.model_validate(yaml.safe_load(text)))
    for item in client.stream(job.id):
        if isinstance(item.event, StepTrained):
            sys.stderr.write(f"\rstep {item.event.record.step} of {job.progress.steps} ")


def taught_episode(client: Client, job_id: str) -> str:
    """One that was wrong, was taught, and came right."""
    found = client.episodes(job_id, step=SHOWN_STEP, outcome="correct")
    return next(str(item["episode_id"]) for item in found if item["attempts"] > 1)


def pages_of(client: Client) -> dict[str, str]:
    """Name to address of every page that there is."""
    job = next(job for job in client.jobs() if job.status in TERMINAL and job.progress.step >= SHOWN_STEP)
    return {
        "jobs": "/",
        "job": f"/jobs/{job.id}",
        "step": f"/jobs/{job.id}/steps/{SHOWN_STEP}",
        "episode": f"/episodes/{taught_episode(client, job.id)}",
        "episodes": f"/jobs/{job.id}/episodes",
        "compare": f"/compare?job={job.id}",
        "teachers": "/teachers",
        "new": "/new",
    }


def picture(chromium: Browser, url: str, path: str, width: int, theme: Theme, out: Path) -> Path:
    """A PNG of the whole page."""
    with page_of(chromium, url, width, theme) as watched:
        watched.page.goto(path)
        watched.page.wait_for_selector("main h1")
        watched.page.wait_for_timeout(DRAWN_MILLISECONDS)
        watched.page.screenshot(path=out, full_page=True)
    return out


def for_readme(source: Path, target: Path) -> None:
    """Its upper part, in few colours."""
    image = Image.open(source).convert("RGB")
    upper = image.crop((0, 0, image.width, min(image.height, README_HEIGHT)))
    upper.quantize(README_COLORS, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running stack")
    parser.add_argument("--readme", action="store_true", help="also docs/screens")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    with trained_stack(options.url) as url, Client(url) as client, browser() as chromium:
        for name, path in pages_of(client).items():
            for theme in THEMES:
                for width in (WIDE, NARROW):
                    picture(chromium, url, path, width, theme, OUT / f"{name}-{width}-{theme}.png")
    if options.readme:
        README_OUT.mkdir(parents=True, exist_ok=True)
        for name, theme in README.items():
            for_readme(OUT / f"{name}-{WIDE}-{theme}.png", README_OUT / f"{name}.png")
    sys.stdout.write(f"screenshots: {len(list(OUT.glob('*.png')))} in {OUT.relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    main()
