"""The web UI against two limits of human patience, in a real Chromium on a real stack.

A point: from the trainer's announcement of a step (the event's own time) until it is drawn in the browser; limit 2 s.
A page: from the click on Next in a list of 10,000 episodes until the next 50 are painted; limit 0.1 s, below which an
answer feels immediate (Miller 1968, Nielsen 1993). The 95th percentile of each counts. Left out: the network, for all
runs on one machine, where the training takes the cores that browser and server would like. The last line: for scripts.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

# The helpers of the browser tests, which are no installed package.
sys.path.insert(0, str(Path(__file__).parents[1]))

import redis
from contracts.events import StepTrained
from contracts.jobs import JobSpec
from playwright.sync_api import Page
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.state import StackState

from tests.browser.chromium import browser, page_of
from tests.browser.seed import Past, write_past
from tests.stacks import materials_stack

POINT_LIMIT_SECONDS = 2.0
PAGE_LIMIT_SECONDS = 0.1
GOAL = 1.0
EPISODES = 10_000
SPEC = {
    "name": "watched",
    "student": {"model": "models/materials-base"},
    "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 24}},
    "teacher": {"provider": "tutor"},
    "rollout": {"prompts_per_step": 16, "group_size": 2, "max_answer_tokens": 32},
    "training": {"learning_rate": 4e-4},
    "evaluation": {"every": 1000, "questions": 24},
}
# Notes when a step's sentence is on the screen: two frames after it is in the document, the chart is drawn too.
NOTE_POINTS = """
window.points = {};
new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const item of document.querySelectorAll("li[data-type='step.trained'] .event-text")) {
    const step = item.textContent.match(/\\d+/)[0];
    window.points[step] ??= Date.now() / 1000;
  }
}))).observe(document, { childList: true, subtree: true });
"""
TURN_PAGE = """async () => {
  const first = () => document.querySelector("table.episodes tbody a")?.getAttribute("href");
  const before = first();
  const started = performance.now();
  [...document.querySelectorAll(".pager button")].find((one) => one.textContent === "Next").click();
  while (!first() || first() === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return (performance.now() - started) / 1000;
}"""


def points(page: Page, client: Client, steps: int) -> list[float]:
    """Seconds from announcement to picture, step by step."""
    job = client.submit(JobSpec.model_validate({**SPEC, "training": {**SPEC["training"], "steps": steps}}))  # type: ignore[dict-item]
    page.goto(f"/jobs/{job.id}")
    told = {it.event.record.step: it.event.at for it in client.stream(job.id) if isinstance(it.event, StepTrained)}
    page.wait_for_selector(".badge.status-succeeded")
    seen = page.evaluate("window.points")
    return [seen[str(step)] - at for step, at in told.items()]


def turns(page: Page, count: int) -> list[float]:
    """Seconds of each turn of a page."""
    page.goto("/jobs/job-many/episodes")
    page.wait_for_selector("table.episodes")
    return [float(page.evaluate(TURN_PAGE)) for _ in range(count)]


def percentile(values: list[float]) -> float:
    """The 95th."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def told(name: str, values: list[float], limit: float) -> float:
    """Prints one measurement; returns limit / 95th percentile."""
    middle, high = statistics.median(values), percentile(values)
    sys.stdout.write(f"{name}: median {middle:.3f} s, 95 % within {high:.3f} s, of {len(values)}; limit {limit} s\n")
    return limit / high


def fill_store(state: StackState) -> None:
    """10,000 episodes of another day."""
    address = next(process.url for process in state.processes if process.name == "redis")
    store = redis.Redis.from_url(address)
    write_past(store, Past("job-many", episodes=EPISODES))
    store.close()


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--pages", type=int, default=60)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as home,
        own_stack(materials_stack(Path(home)), os.environ, lambda state: None) as state,
        Client(state.orchestrator_url) as client,
        browser() as chromium,
        page_of(chromium, state.orchestrator_url) as watched,
    ):
        watched.page.add_init_script(NOTE_POINTS)
        shown = told("point", points(watched.page, client, options.steps), POINT_LIMIT_SECONDS)
        fill_store(state)
        turned = told("page", turns(watched.page, options.pages), PAGE_LIMIT_SECONDS)
    ratio = min(shown, turned)
    sys.stdout.write(f"ui_latency: ratio {ratio:.2f} (goal {GOAL}), against limits of 2 s a point and 0.1 s a page\n")


if __name__ == "__main__":
    main()
