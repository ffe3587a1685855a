"""A server with keys: the page asks for one, keeps it in the tab, and sends it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from .chromium import page_of

KEY = "a-key-of-this-test-0123456789"
# A Python process that imports FastAPI and Celery, on a busy machine.
START_SECONDS = 60.0


@pytest.fixture
def guarded_url(chromium: Browser, redis_url: str, tmp_path: Path) -> Iterator[str]:
    """An orchestrator by itself that answers nobody without a key."""
    port = free_port()
    settings = {"REDIS_URL": redis_url, "PORT": str(port), "SERVICE_KEY": KEY, "DATA_ROOT": str(tmp_path)}
    environment = {**os.environ, **{f"ORCHESTRATOR_{name}": value for name, value in settings.items()}}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "orchestrator"], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url)
        yield url
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str) -> None:
    """Raises the last error when it does not answer in time."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx2.get(f"{url}/readyz", trust_env=False).raise_for_status()
            return
        except httpx2.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_the_page_asks_for_a_key_and_keeps_it_in_the_tab(chromium: Browser, guarded_url: str) -> None:
    with page_of(chromium, guarded_url) as watched:
        page = watched.page
        page.goto("/")
        dialog = page.get_by_role("dialog", name="API key")
        expect(dialog).to_contain_text("Give an API key")
        dialog.get_by_label("Key", exact=True).fill("not-this-one")
        page.keyboard.press("Enter")
        expect(dialog.get_by_label("Key", exact=True)).to_have_value("")
        dialog.get_by_label("Key", exact=True).fill(KEY)
        dialog.get_by_role("button", name="Use this key").click()
        expect(page.get_by_text("No job yet")).to_be_visible()
        page.reload()
        expect(page.get_by_text("No job yet")).to_be_visible()
        assert page.evaluate("Object.keys(localStorage)") == []
        assert [line for line in watched.complaints if "401" not in line] == []
    with page_of(chromium, guarded_url) as other:
        other.page.goto("/")
        expect(other.page.get_by_role("dialog", name="API key")).to_be_visible()
