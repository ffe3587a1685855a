"""A user who watches a job while everything breaks: the client's stream, which goes on where a connection was lost."""

import threading

import redis
from contracts import keys
from contracts.errors import Problem
from contracts.events import PolicyPublished
from socratic.client import Client


class Watcher:
    """`version` is the newest policy version that the user has heard of."""

    def __init__(self, url: str, job_id: str) -> None:
        self.url = url
        self.job_id = job_id
        self.version = 0
        self.ids: list[str] = []
        self.failure: Problem | None = None
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        """Until the job has ended."""
        with Client(self.url) as client:
            try:
                for item in client.stream(self.job_id):
                    self.ids.append(item.id)
                    if isinstance(item.event, PolicyPublished):
                        self.version = item.event.policy_version
            except Problem as problem:
                self.failure = problem

    def complaint(self, store: "redis.Redis", lost_records: int) -> str | None:
        """What was wrong with what the user saw of a job that has ended; None when all was well.

        An event whose record Redis lost may have been seen, and another may have taken its id.
        """
        if self.thread.is_alive() or self.failure is not None:
            return f"the stream did not end: {self.failure}"
        told = [event_id.decode() for event_id, _ in store.xrange(keys.events(self.job_id))]
        missed = [event_id for event_id in told if event_id not in set(self.ids)]
        if len(missed) > lost_records:
            return f"events were not seen: {missed}"
        order = [tuple(map(int, event_id.split("-"))) for event_id in self.ids]
        return None if order == sorted(set(order)) else "events came twice or in another order"
