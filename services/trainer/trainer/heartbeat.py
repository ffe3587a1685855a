"""Says every two seconds that the trainer is alive, what it is at and for which job."""

import os
import threading
import time

import redis
import structlog

from trainer.stopwatch import Stopwatch
from trainer.store import Store

# A fifth of the heartbeat's life in Redis, so that one lost beat is no alarm.
BEAT_SECONDS = 2.0
log = structlog.get_logger()


class Presence:
    """What others may know of this trainer. A job is paused once no trainer shows itself at it."""

    def __init__(self, store: Store, stopwatch: Stopwatch) -> None:
        self.store = store
        self.stopwatch = stopwatch
        self.job_id: str | None = None

    def show(self, job_id: str | None) -> None:
        """Take a job up or leave it, and say so at once. Raises redis.RedisError."""
        self.job_id = job_id
        self.beat()

    def beat(self) -> None:
        """Raises redis.RedisError."""
        state = {"pid": os.getpid(), "phase": self.stopwatch.phase, "job_id": self.job_id, "at": time.time()}
        self.store.beat(state)


def start_heartbeat(presence: Presence) -> threading.Thread:
    """A daemon thread: it ends with the process, however that ends."""
    thread = threading.Thread(target=beat_for_ever, args=(presence,), name="heartbeat", daemon=True)
    thread.start()
    return thread


def beat_for_ever(presence: Presence) -> None:
    """A Redis that is away is the training loop's business; the beat goes on when it is back."""
    while True:
        try:
            presence.beat()
        except redis.RedisError as error:
            log.debug("heartbeat_missed", error=str(error))
        time.sleep(BEAT_SECONDS)
