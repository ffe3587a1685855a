"""A real job seen from the form to its end, through a connection that breaks."""

import re

import pytest
from playwright.sync_api import Page, expect
from socratic.client import Client

from .cable import cable_to
from .conftest import OpenPage

STEPS = 4
# A step takes seconds, on a busy machine half a minute.
JOB_MILLISECONDS = 240_000
SMALL = {
    "Prompts per step": "12",
    "Group size": "4",
    "Steps": str(STEPS),
    "Every": "2",
    "Questions": "24",
}
pytestmark = pytest.mark.timeout(420)


def fill_in(page: Page, name: str, **changes: str) -> None:
    """The demo's form with a name and less to do."""
    page.get_by_role("group", name="Job").get_by_label("Name").fill(name)
    for label, value in {**SMALL, **changes}.items():
        page.get_by_label(label, exact=True).or_(page.get_by_label(f"{label} *", exact=True)).last.fill(value)


def events(page: Page, kind: str) -> list[str]:
    """The sentences of one kind of event, newest first."""
    return page.locator(f".events li[data-type='{kind}'] .event-text").all_text_contents()


def test_from_the_form_to_the_last_step_though_the_connection_breaks(open_page: OpenPage, url: str) -> None:
    with cable_to(url) as cable:
        page = open_page("/new", at=cable.url, allow="Failed to load resource")
        fill_in(page, "seen")
        page.get_by_role("button", name="Check").click()
        expect(page.locator(".findings")).to_contain_text("This job can run", timeout=JOB_MILLISECONDS)
        page.get_by_role("button", name="Start the job").click()
        page.wait_for_url(re.compile(r"/jobs/job-[0-9a-f]+$"), timeout=JOB_MILLISECONDS)
        first_step = page.locator(".events li[data-type='step.trained']")
        expect(first_step.first).to_be_visible(timeout=JOB_MILLISECONDS)
        expect(page.locator(".badge").first).to_have_text("running")
        cable.cut()
        expect(page.locator(".live")).to_have_text("Connection lost, trying again")
        cable.mend()
        expect(page.locator(".live")).to_have_text(re.compile("Live|^$"))
        expect(page.locator(".title-line .badge")).to_have_text("succeeded", timeout=JOB_MILLISECONDS)
        told = [re.match(r"Step (\d+) trained", text) for text in events(page, "step.trained")]
        assert [match and int(match[1]) for match in told] == list(range(STEPS, 0, -1))
        expect(page.locator("tbody th", has_text="Step")).to_have_count(STEPS)
        look_at_the_curves(page)
        read_an_episode(page)
        go_on_from_a_checkpoint(page)
        page.go_back()
        delete_the_checkpoint(page)


def look_at_the_curves(page: Page) -> None:
    """The last values stand in the legends, for everyone, and a point for each step is in the plot's data."""
    charts = page.locator(".chart")
    expect(charts).to_have_count(6)
    for chart in charts.all():
        expect(chart.locator(".plot")).to_have_attribute("aria-label", re.compile("latest: "))
        assert chart.locator("canvas").count() == 1
    expect(charts.first.locator(".legend-value").first).to_have_text(re.compile(r"^[01]\.\d\d$"))


def read_an_episode(page: Page) -> None:
    """From the step's row through the grid to a dialogue with advantages."""
    page.get_by_role("link", name="Step 1", exact=True).click()
    page.locator(".panel").nth(1).locator("a.cell").first.click()
    expect(page.locator(".thread .guidance")).to_have_count(1)
    expect(page.locator(".verdict-bar").first).to_contain_text(re.compile(r"Advantage−\d\.\d\d"))
    assert page.locator(".token.minus").count() > 0
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Step 1")


def go_on_from_a_checkpoint(page: Page) -> None:
    """What was trained becomes the student of a new job."""
    page.get_by_role("link", name="seen").click()
    page.get_by_text("Checkpoints", exact=True).click()
    expect(page.get_by_role("region", name="Checkpoints").locator("tbody tr").first).to_contain_text(f"Step {STEPS}")
    page.get_by_role("link", name="New job from it").first.click()
    expect(page.locator("[data-path='student.model'] input")).to_have_value(re.compile(rf"job-.*{STEPS}$"))


def delete_the_checkpoint(page: Page) -> None:
    """The trainer, idle by now, does it; the stream of an ended job is closed, so its events are read anew."""
    page.get_by_text("Checkpoints", exact=True).click()
    page.get_by_role("button", name=f"Delete the checkpoint of step {STEPS}").click()
    page.get_by_role("button", name="Delete the checkpoint", exact=True).click()
    expect(page.get_by_role("region", name="Checkpoints").get_by_text("being deleted")).to_be_visible()
    page.reload()
    expect(page.get_by_text(f"Checkpoint of step {STEPS} deleted")).to_be_visible()
    page.get_by_text("Checkpoints", exact=True).click()
    expect(page.get_by_text("No checkpoint yet")).to_be_visible()


def test_what_the_server_refuses_stands_beside_its_field(open_page: OpenPage) -> None:
    page = open_page("/new", allow="422")
    fill_in(page, "refused", Steps="many")
    page.get_by_role("button", name="Start the job").click()
    steps = page.locator("[data-path='training.steps']")
    expect(steps.locator(".field-error")).to_contain_text("valid integer")
    expect(steps.locator("input")).to_have_attribute("aria-invalid", "true")
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    summary.get_by_role("link").click()
    expect(steps.locator("input")).to_be_focused()
    steps.locator("input").fill("4")
    page.get_by_label("Decay", exact=True).select_option("geometric")
    page.get_by_label("Weight decay").evaluate("input => { input.value = '-1' }")
    page.get_by_role("button", name="Start the job").click()
    hidden = page.locator("[data-path='training.weight_decay']")
    expect(hidden.locator(".field-error")).to_contain_text("greater than or equal to 0")
    expect(hidden).to_be_visible()
    expect(page.locator(".section[data-path='method'] > .field-error")).to_contain_text("needs gamma")


def test_a_job_is_paused_resumed_cloned_and_cancelled(open_page: OpenPage, client: Client) -> None:
    page = open_page("/new")
    fill_in(page, "long", Steps="1000")
    page.get_by_role("button", name="Start the job").click()
    page.wait_for_url(re.compile(r"/jobs/job-[0-9a-f]+$"), timeout=JOB_MILLISECONDS)
    status = page.locator(".title-line .badge")
    for button, reached in (("Pause", "paused"), ("Resume", "running")):
        page.get_by_role("button", name=button).click(timeout=JOB_MILLISECONDS)
        expect(status).to_have_text(reached, timeout=JOB_MILLISECONDS)
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Name *").first).to_have_value("long-2")
    expect(page.locator("[data-path='training.steps'] input")).to_have_value("1000")
    page.go_back()
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(status).to_have_text("cancelled", timeout=JOB_MILLISECONDS)
    assert client.jobs()[0].status == "cancelled"
    page.get_by_role("link", name="Jobs").first.click()
    expect(page.locator("table.jobs tbody tr").first).to_contain_text("cancelled")
