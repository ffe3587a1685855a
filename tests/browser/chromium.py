"""The Chromium of the machine, driven by Playwright; shared by tests, screenshots and the latency benchmark."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = 1280, 390
HEIGHT = 900
Theme = Literal["light", "dark"]
# Nobody but root may use Chromium's own sandbox in most containers; pages come from this repository only.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]


def executable() -> str | None:
    """Where it is, if it is there."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium. Raises FileNotFoundError where there is none."""
    path = executable()
    if path is None:
        raise FileNotFoundError("no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass
class Watched:
    """A page and what it complained of: script errors, and everything that its security policy stopped."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@contextmanager
def page_of(chromium: Browser, url: str, width: int = WIDE, theme: Theme = "light") -> Iterator[Watched]:
    """A page in a fresh profile."""
    context = chromium.new_context(
        base_url=url, viewport={"width": width, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
    )
    watched = Watched(context.new_page())
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("console", lambda line: watched.complaints.append(line.text) if line.type == "error" else None)
    try:
        yield watched
    finally:
        context.close()
