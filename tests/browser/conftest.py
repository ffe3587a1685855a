"""A Chromium for each test, and one stack for each module."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Page
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.state import StackState

from ..stacks import materials_stack
from .chromium import WIDE, Theme, browser, executable, page_of

# Generous: the machine also trains.
PATIENCE_MILLISECONDS = 30_000
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Skips where there is no Chromium, unless SOCRATIC_BROWSER says that there has to be one (CI does)."""
    if executable() is None and "SOCRATIC_BROWSER" not in os.environ:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of the module's stack."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(home: Path, chromium: Browser) -> Iterator[StackState]:
    """All services, real."""
    with own_stack(materials_stack(home), os.environ, lambda state: None) as state:
        yield state


@pytest.fixture
def url(stack: StackState) -> str:
    """The orchestrator's address, which serves the web UI."""
    return stack.orchestrator_url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """The same by REST."""
    with Client(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def store(stack: StackState) -> Iterator[redis.Redis]:
    """The stack's Redis."""
    address = next(process.url for process in stack.processes if process.name == "redis")
    connection = redis.Redis.from_url(address)
    yield connection
    connection.close()


@pytest.fixture
def open_page(chromium: Browser, url: str) -> Iterator[OpenPage]:
    """open_page(path, width=, theme=, at=, allow=): a page with its heading.

    At the end no page may have complained of anything, but of what holds the text `allow`.
    """
    with ExitStack() as opened:
        pages = []

        def open_one(
            path: str, width: int = WIDE, theme: Theme = "light", at: str | None = None, allow: str | None = None
        ) -> Page:
            watched = opened.enter_context(page_of(chromium, at or url, width, theme))
            pages.append((watched, allow))
            watched.page.set_default_timeout(PATIENCE_MILLISECONDS)
            watched.page.goto(path)
            watched.page.wait_for_selector("main h1, main .state.problem")
            return watched.page

        yield open_one
        told = [line for watched, allow in pages for line in watched.complaints if allow is None or allow not in line]
        assert told == []
