"""Says every two seconds that the trainer is alive, and what it is at."""

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


def start_heartbeat(store: Store, stopwatch: Stopwatch) -> threading.Thread:
    """A daemon thread: it ends with the process, however that ends."""
    thread = threading.Thread(target=beat_for_ever, args=(store, stopwatch), name="heartbeat", daemon=True)
    thread.start()
    return thread


def beat_for_ever(store: Store, stopwatch: Stopwatch) -> None:
    """A Redis that is away is the training loop's business; the beat goes on when it is back."""
    while True:
        try:
            store.beat({"pid": os.getpid(), "phase": stopwatch.phase, "at": time.time()})
        except redis.RedisError as error:
            log.debug("heartbeat_missed", error=str(error))
        time.sleep(BEAT_SECONDS)
