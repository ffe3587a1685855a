"""Whether the trainer may go on with a job, asked between phases and in every wait."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import redis

from trainer.failures import JobFailure, JobStopped
from trainer.stopwatch import Stopwatch
from trainer.store import Job, Store

# A cancelled job or a restarted engine is noticed within this time, at a cost of one Redis and one HTTP call.
LOOK_SECONDS = 1.0
STOP_POLL_SECONDS = 0.2


class Vigil:
    """Watches the stop signal, the job's status, the start of Redis, and whatever those in `also` watch.

    A Redis that was started again may have lost the last second of what it was told (appendfsync everysec), which
    nobody would tell again; taking the job up from its checkpoint does.
    """

    def __init__(self, store: Store, job: Job, stopping: threading.Event) -> None:
        self.store = store
        self.job = job
        self.stopping = stopping
        self.also: Sequence[Callable[[], None]] = ()
        self.looked_at = time.monotonic()
        self.held_back: Exception | None = None
        self.server_id = store.server_id()

    def check(self) -> None:
        """Raises JobStopped when the trainer is to end, the job has lost this seat, or Redis was started again.

        Raises also what `glance` held back.
        """
        if self.held_back is not None:
            raise self.held_back
        if self.stopping.is_set():
            raise JobStopped("the trainer was asked to end")
        if not self.store.is_running(self.job.id, self.job.seat):
            raise JobStopped("the job is no longer running")
        if self.store.server_id() != self.server_id:
            raise JobStopped("Redis was started again: the job goes on from its checkpoint")

    def look(self) -> None:
        """Call often while waiting. Raises JobStopped, and what those in `also` raise."""
        if self.stopping.is_set():
            raise JobStopped("the trainer was asked to end")
        if time.monotonic() - self.looked_at >= LOOK_SECONDS:
            self.check()
            for look in self.also:
                look()
            self.looked_at = time.monotonic()

    def glance(self) -> None:
        """`look` in the middle of an update, which all processes must end together: `check` raises what it would."""
        if self.held_back is None:
            try:
                self.look()
            except (JobStopped, JobFailure, redis.RedisError) as error:
                self.held_back = error

    @contextmanager
    def measure(self, stopwatch: Stopwatch, phase: str) -> Iterator[None]:
        """Time a phase of an update, with a glance before it: an update may take many minutes."""
        self.glance()
        with stopwatch.measure(phase):
            yield

    def pause(self, seconds: float) -> None:
        """Wait this long, or raise JobStopped sooner."""
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            self.stopping.wait(min(left, STOP_POLL_SECONDS))
            if self.stopping.is_set():
                self.check()
