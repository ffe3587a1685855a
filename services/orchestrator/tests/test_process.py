"""The real process: `python -m orchestrator`, twice, one of them killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack

import httpx2
import pytest
from contracts import keys
from contracts.events import decode_event
from orchestrator.redis_client import connect
from orchestrator.store import Store

EXIT_SECONDS = 20.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(redis_url, tmp_path):
    """start(): an orchestrator, perhaps not ready yet, as (process, base URL); all are gone after the test."""
    with ExitStack() as processes:

        def begin():
            port = free_port()
            names = {"REDIS_URL": redis_url, "PORT": str(port), "DATA_ROOT": str(tmp_path)}
            environment = {**os.environ, **{f"ORCHESTRATOR_{name}": value for name, value in names.items()}}
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator"], env=environment, stderr=subprocess.DEVNULL
            )
            processes.callback(process.wait, EXIT_SECONDS)
            processes.callback(process.kill)
            return process, f"http://127.0.0.1:{port}"

        yield begin


def answers(url):
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def create(redis_url, spec):
    async def write():
        client = connect(redis_url)
        try:
            return await Store(client).create(spec)
        finally:
            await client.aclose()

    return asyncio.run(write())


def test_a_killed_orchestrator_is_replaced_by_another_in_the_middle_of_a_job(
    start, redis_url, job_spec, players, store, eventually
):
    both = [start(), start()]
    for _, url in both:
        eventually(lambda url=url: answers(f"{url}/readyz"))
    job_id = create(redis_url, job_spec())
    eventually(lambda: store.get(keys.active_job()))
    players.publish(job_id, 0)
    players.roll_out(job_id, "eval", 0, limit=3)
    (leader, _), (follower, url) = both
    leader.send_signal(signal.SIGKILL)
    players.roll_out(job_id, "eval", 0)
    for step in (1, 2):
        players.roll_out(job_id, "train", step)
        players.publish(job_id, step)
    players.roll_out(job_id, "eval", 2)
    eventually(lambda: httpx2.get(f"{url}/v1/jobs/{job_id}").json()["status"] == "succeeded")

    events = [decode_event(fields[b"event"]) for _, fields in store.xrange(keys.events(job_id))]
    counts = Counter(event.type for event in events)
    assert (counts["manifest.opened"], counts["evaluation.finished"], counts["job.status"]) == (4, 2, 2)
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(EXIT_SECONDS) in (0, -signal.SIGTERM)


def test_a_start_among_jobs_that_it_cannot_read(start, redis_url, job_spec, players, store, spoil, eventually):
    """As after an upgrade: one held the engine, one is queued before a good one."""
    held, queued, good = [create(redis_url, job_spec()) for _ in range(3)]
    store.hset(keys.job(held), mapping={"status": "running", "seat": 1})
    store.set(keys.active_job(), held)
    spoil(held)
    spoil(queued, "unknown")
    process, url = start()
    eventually(lambda: process.poll() is None and store.hget(keys.job(good), "status") == b"running")
    eventually(lambda: answers(f"{url}/readyz"))
    listed = httpx2.get(f"{url}/v1/jobs").json()["data"]
    found = {job["id"]: (job["status"], (job["error"] or {}).get("code")) for job in listed}
    unreadable = ("failed", "spec_unreadable")
    assert found == {good: ("running", None), queued: unreadable, held: unreadable}
    process.send_signal(signal.SIGTERM)
    assert process.wait(EXIT_SECONDS) in (0, -signal.SIGTERM)


def test_help_lists_every_setting():
    text = subprocess.run(
        [sys.executable, "-m", "orchestrator", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for name in ("ORCHESTRATOR_REDIS_URL", "ORCHESTRATOR_MODEL_ROOTS", "ORCHESTRATOR_TRAINER_MISSING_SECONDS"):
        assert name in text
