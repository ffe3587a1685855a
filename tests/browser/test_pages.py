"""Every page: both widths, both themes, without a mouse, for screen readers, and whatever a model wrote."""

import json

import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from contracts import keys
from playwright.sync_api import Page, expect

from .chromium import NARROW, WIDE
from .conftest import OpenPage
from .seed import Past, write_long, write_past

MANY = Past("job-many", episodes=10_000)
EVIL_WORDS = "<b>bold</b> <img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>"
ODD = Past("job-odd", episodes=16, words="accepted by another version")
CLONED = Past("job-cloned", episodes=16, words="accepted too")
EVIL = Past("job-evil", episodes=8, student="models/gone", words=EVIL_WORDS)
EPISODE = "/episodes/job-many/train/3/materials-train-2/1"
PAGES = {
    "jobs": "/",
    "job": "/jobs/job-many",
    "step": "/jobs/job-many/steps/3",
    "episode": EPISODE,
    "episodes": "/jobs/job-many/episodes",
    "compare": "/compare?job=job-many&job=job-evil",
    "teachers": "/teachers",
    "new": "/new",
    "missing": "/jobs/job-none",
}
# One page of a list and its frame; 10,000 episodes at once would be a hundred times this.
MOST_ELEMENTS = 1500
LONG_STEPS = 3000


@pytest.fixture(scope="module", autouse=True)
def past(store: redis.Redis) -> None:
    """Two jobs of another day."""
    write_past(store, MANY)
    write_past(store, EVIL)


def settled(page: Page) -> Page:
    """With everything there that the page asks the API for."""
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_both_widths_and_themes_without_a_serious_complaint_of_axe(open_page: OpenPage, name: str) -> None:
    axe = Axe()
    backgrounds = set()
    for theme in ("light", "dark"):
        page = open_page(PAGES[name], theme=theme, allow="404" if name == "missing" else None)
        page.wait_for_timeout(300)
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
            found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
            serious = [item for item in found if item["impact"] in ("serious", "critical")]
            told = [
                (item["id"], node["html"][:150], node["failureSummary"]) for item in serious for node in item["nodes"]
            ]
            assert told == [], f"{name}, {theme}, {width}"
        backgrounds.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert len(backgrounds) == 2


def test_an_unknown_job_says_so_and_offers_another_try(open_page: OpenPage) -> None:
    page = open_page(PAGES["missing"], allow="404")
    expect(page.get_by_role("alert")).to_contain_text("There is no job 'job-none'")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_ten_thousand_episodes_page_by_page(open_page: OpenPage) -> None:
    page = open_page("/jobs/job-many/episodes")
    seen: list[str] = []
    rows = page.locator("table.episodes tbody tr th a")
    for _ in range(4):
        expect(rows).to_have_count(50)
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_ELEMENTS
        seen += [link.get_attribute("href") or "" for link in rows.all()]
        first = seen[-50]
        page.get_by_role("button", name="Next").click()
        expect(page.locator(f"table.episodes a[href='{first}']")).to_have_count(0)
    assert len(set(seen)) == 200
    page.get_by_role("button", name="Previous").click()
    expect(page.locator(f"table.episodes a[href='{seen[150]}']")).to_have_count(1)
    page.goto("/jobs/job-many/episodes?step=50&outcome=malformed")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_have_count(0)
    assert all("/train/50/" in (link.get_attribute("href") or "") for link in rows.all())


def test_what_a_model_wrote_is_text(open_page: OpenPage) -> None:
    # Its student's files are gone: the page asks for tokens, is refused, and shows the answer as a whole.
    page = open_page("/episodes/job-evil/train/1/materials-train-0/0", allow="422")
    for place in (".tokens", ".guidance .prose"):
        assert EVIL_WORDS in (page.locator(place).first.text_content() or "")
    for path in ("/", "/jobs/job-evil", "/jobs/job-evil/steps/1"):
        page.goto(path)
        page.wait_for_selector("main h1")
        expect(page.get_by_text("<b>bold</b>").first).to_be_visible()
        assert page.locator("main script, main img, main b").count() == 0
        assert "owned" not in page.title().replace(EVIL_WORDS[:80], "")


def test_a_job_that_this_version_cannot_read_is_shown_with_its_reason(open_page: OpenPage, store: redis.Redis) -> None:
    write_past(store, ODD)
    spec = json.loads(store.hget(keys.job(ODD.job_id), "spec") or b"")
    del spec["student"]
    spec["rollout"] = {**spec["rollout"], "group_size": 4096, "warmth": 1}
    store.hset(keys.job(ODD.job_id), "spec", json.dumps(spec))
    page = open_page("/")
    expect(page.locator("table.jobs tr", has_text=ODD.words)).to_contain_text("student: Field required")
    page.goto(f"/jobs/{ODD.job_id}")
    expect(page.locator(".wait-reason")).to_contain_text("rollout.warmth: Extra inputs are not permitted")
    expect(page.locator(".figures")).to_contain_text("within all attempts")
    page.get_by_text("Configuration", exact=True).click()
    expect(page.locator("pre.code")).to_contain_text('"warmth": 1')
    page.goto(f"/jobs/{ODD.job_id}/steps/1")
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator(".panel").first.locator(".cell-group")).to_have_count(2)
    page.goto(f"/episodes/{ODD.job_id}/train/1/materials-train-0/0")
    expect(page.locator(".thread > .turn.guidance")).to_have_count(1)
    page.goto(f"/compare?job={ODD.job_id}&job=job-many")
    expect(page.get_by_role("region", name="Settings that differ")).to_contain_text("rollout.group_size")


def test_the_form_of_its_clone_has_what_is_stored_and_the_server_judges(
    open_page: OpenPage, store: redis.Redis
) -> None:
    write_past(store, CLONED)
    spec = json.loads(store.hget(keys.job(CLONED.job_id), "spec") or b"")
    spec["rollout"]["group_size"] = 4096
    del spec["task"]
    store.hset(keys.job(CLONED.job_id), "spec", json.dumps(spec))
    page = open_page(f"/new?from={CLONED.job_id}", allow="422")
    expect(page.locator(".warning")).to_contain_text("rollout.group_size: Input should be less than or equal to 1024")
    size = page.locator("[data-path='rollout.group_size']")
    expect(size.locator("input")).to_have_value("4096")
    expect(page.get_by_label("Name *").first).to_have_value(f"{CLONED.words}-2")
    page.get_by_role("button", name="Start the job").click()
    expect(size.locator(".field-error")).to_contain_text("less than or equal to 1024")


def test_no_string_becomes_markup(open_page: OpenPage) -> None:
    """Trusted types: even a mistake in our own scripts could not run what a model wrote."""
    page = open_page("/", allow="TrustedHTML")
    page.evaluate("window.refused = ''")
    page.evaluate("try { document.body.innerHTML = '<b>x</b>' } catch (error) { window.refused = error.name }")
    assert page.evaluate("window.refused") == "TypeError"


def test_without_a_mouse(open_page: OpenPage) -> None:
    page = open_page("/")
    press = page.keyboard.press
    press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    press("Enter")
    for _ in range(4):
        press("Tab")
    walk_to(page, "link", EVIL_WORDS[:80])
    press("Enter")
    page.wait_for_url("**/jobs/job-evil")
    page.goto("/jobs/job-many/steps/3")
    cells = page.locator("a.cell")
    expect(cells).to_have_count(400)
    page.locator(".cells a[tabindex='0']").first.focus()
    press("ArrowRight")
    press("ArrowRight")
    press("ArrowLeft")
    expect(cells.nth(1)).to_be_focused()
    expect(page.locator(".told")).to_contain_text("sample 2")
    press("Enter")
    page.wait_for_url("**/episodes/job-many/train/3/materials-train-0/1")
    page.locator(".tokens").nth(1).focus()
    press("ArrowRight")
    expect(page.locator(".token-facts")).to_contain_text("−2.00")
    press("ArrowRight")
    expect(page.locator(".token-facts")).to_contain_text("−1.64")
    expect(page.locator("#announcer")).to_contain_text("−1.64")


def walk_to(page: Page, role: str, name: str) -> None:
    """Tab until it has the focus."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(30):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab reaches {name}")


def test_the_dialogue_tells_what_the_trainer_made_of_it(open_page: OpenPage) -> None:
    page = open_page("/episodes/job-many/train/3/materials-train-0/0")
    expect(page.get_by_role("heading", level=1)).to_have_text("Right after one hint")
    turns = page.locator(".thread > .turn")
    expect(turns).to_have_count(4)
    first, teacher, second = (turns.nth(at) for at in (1, 2, 3))
    expect(first.locator(".swap")).to_have_text("policy 2 → 3")
    expect(first.locator(".verdict-bar")).to_contain_text("Advantage−0.75")
    expect(second.locator(".verdict-bar")).to_contain_text("Reward1.00Decayed by μ 0.500.50")
    expect(teacher).to_contain_text("Cost$0.0021")
    expect(teacher).to_contain_text("Leaknone found score −0.25")
    signs = second.locator(".token").evaluate_all("all => all.map((one) => one.className.includes('plus'))")
    assert signs == [False] * 6 + [True] * 6
    backgrounds = second.locator(".token").evaluate_all(
        "all => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(backgrounds)) == 12
    page.get_by_role("radio", name="Probability").check()
    assert second.locator(".token.plus").count() == 0


def test_what_the_leak_guard_found_and_did(open_page: OpenPage) -> None:
    page = open_page("/episodes/job-many/train/3/materials-train-0/1")
    told = "Leakgives the answer away by letter, value; taken out"
    expect(page.locator(".thread > .turn.guidance")).to_contain_text(told)


def test_a_batch_by_attempt_index(open_page: OpenPage) -> None:
    page = open_page("/jobs/job-many/steps/3")
    first, second = page.locator(".panel").nth(0), page.locator(".panel").nth(1)
    expect(first.locator("a.cell.wrong")).to_have_count(200)
    expect(second.locator("a.cell.correct")).to_have_count(100)
    expect(second.locator("a.cell.malformed")).to_have_count(100)
    expect(second).to_contain_text("earns 0.50")
    page.get_by_role("radio", name="Advantage").check()
    expect(first.locator("a.cell.minus")).to_have_count(200)


def test_the_theme_is_chosen_and_kept(open_page: OpenPage) -> None:
    page = open_page("/")
    button = page.get_by_role("button", name="Theme")
    for name in ("light", "dark"):
        button.click()
        expect(button).to_have_accessible_name(f"Theme: {name}")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark


def test_a_long_job_is_shown_by_thinned_curves_with_its_true_sums(open_page: OpenPage, store: redis.Redis) -> None:
    write_long(store, "job-long", LONG_STEPS)
    page = settled(open_page("/jobs/job-long"))
    # Half a dollar a step in the seed, and every step counts, shown or not.
    expect(page.locator(".figures")).to_contain_text(f"${LONG_STEPS / 2:.2f}")
    expect(page.get_by_role("region", name="The last steps").get_by_role("link")).to_have_count(12)
    expect(page.get_by_role("link", name=f"Step {LONG_STEPS}", exact=True)).to_be_visible()
    expect(page.locator(".charts .plot canvas")).to_have_count(6)
    asked = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert {address.partition("?")[2] for address in asked if "/steps?" in address} == {f"after={LONG_STEPS - 12}"}


def test_two_jobs_on_one_chart_with_what_differs(open_page: OpenPage) -> None:
    page = open_page(PAGES["compare"])
    expect(page.locator(".compare-main .legend li")).to_have_count(2)
    expect(page.get_by_role("region", name="Settings that differ")).to_contain_text("student.model")
    page.get_by_label("Curve").select_option("Decay factor μ")
    expect(page.locator(".chart-title")).to_have_text("Decay factor μ")
    expect(page.locator(".plot canvas")).to_have_count(1)
