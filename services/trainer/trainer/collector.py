"""Collects the episodes of a manifest from the job's stream, each exactly once, whatever was killed before."""

import time
from collections import defaultdict
from collections.abc import Callable

import msgspec
import structlog
from contracts.episodes import Episode, decode_episode
from contracts.manifests import Manifest

from trainer.batch import in_manifest_order
from trainer.failures import JobFailure
from trainer.soundness import complaint_about
from trainer.store import Entry, Store

# Short enough that a stop, a cancelled job or a restarted engine is noticed at once.
READ_SECONDS = 0.2
MANIFEST_POLL_SECONDS = 0.05
# The index is compared with what was read; only an older checkpoint, a dead letter or a lost reply makes them differ.
RECOVER_SECONDS = 1.0
# One damaged entry is an accident; a batch of them is a broken worker that would fill the dead letters for ever.
MOST_REJECTIONS = 16
log = structlog.get_logger()


class Collector:
    """Reads one job's stream. Entries stay pending until `acknowledge`, so that a crash replays them."""

    def __init__(self, store: Store, job_id: str, vocab_size: int, look: Callable[[], None]) -> None:
        self.store = store
        self.job_id = job_id
        self.vocab_size = vocab_size
        self.look = look  # what to see to while waiting; raises to stop
        self.episodes: dict[int, dict[str, Episode]] = defaultdict(dict)
        self.entries: dict[int, list[bytes]] = defaultdict(list)
        self.rejections = 0
        self.delivered = (0, 0)

    def replay(self) -> None:
        """Take up again what was delivered and not acknowledged before a crash."""
        self.delivered = order_of(self.store.join(self.job_id))
        after = "0"
        while entries := self.store.pending(self.job_id, after):
            self.take(entries)
            after = entries[-1].id.decode()

    def collect(self, step: int) -> list[Episode]:
        """Wait for the manifest of the step, then for every episode of it; in manifest order."""
        manifest = self.wait_for_manifest(step)
        wanted = {entry.episode_id for entry in manifest.entries}
        recovered_at = time.monotonic()
        while not wanted <= self.episodes[step].keys():
            self.look()
            entries = self.store.new(self.job_id, READ_SECONDS)
            self.take(entries)
            if not entries and time.monotonic() - recovered_at > RECOVER_SECONDS:
                self.take_lost()
                self.recover(step, wanted)
                recovered_at = time.monotonic()
        return in_manifest_order(manifest, self.episodes[step])

    def acknowledge(self, step: int) -> None:
        """The checkpoint of this step is committed: its episodes and all before it are done with."""
        self.take_lost()
        done = [past for past in self.entries if past <= step]
        self.store.acknowledge(self.job_id, [entry_id for past in done for entry_id in self.entries[past]])
        for past in done:
            del self.entries[past]
            self.episodes.pop(past, None)

    def wait_for_manifest(self, step: int) -> Manifest:
        while (manifest := self.store.manifest(self.job_id, step)) is None:
            self.look()
            time.sleep(MANIFEST_POLL_SECONDS)
        return manifest

    def take(self, entries: list[Entry]) -> None:
        """Keep the sound ones by step, send the others to the dead letters."""
        for entry in entries:
            self.delivered = max(self.delivered, order_of(entry.id.decode()))
            episode = self.decode(entry)
            if episode is not None:
                self.episodes[episode.step].setdefault(episode.episode_id, episode)
                self.entries[episode.step].append(entry.id)

    def take_lost(self) -> None:
        """Take up what was delivered in a reply that a broken connection lost: redis-py asks again, for newer ones."""
        taken = {entry_id for entry_ids in self.entries.values() for entry_id in entry_ids}
        lost = [entry_id for entry_id in self.store.pending_ids(self.job_id) if entry_id not in taken]
        self.take([self.store.fetch(self.job_id, entry_id) for entry_id in lost])

    def decode(self, entry: Entry) -> Episode | None:
        """The episode, or None after its entry went to the dead letters."""
        try:
            episode = decode_episode(entry.payload)
            complaint = complaint_about(episode, self.job_id, self.vocab_size)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            complaint = str(error)
        if complaint is None:
            return episode
        if self.store.reject(self.job_id, entry, complaint):
            log.warning("episode_rejected", entry=entry.id.decode(), detail=complaint)
            self.count_rejection(complaint)
        return None

    def count_rejection(self, complaint: str) -> None:
        """Raises JobFailure when it cannot be an accident any more."""
        self.rejections += 1
        if self.rejections > MOST_REJECTIONS:
            detail = f"{self.rejections} stream entries were no episodes that can be trained on; the last: {complaint}"
            raise JobFailure("episodes_unusable", detail)

    def recover(self, step: int, wanted: set[str]) -> None:
        """Fetch episodes that the group will not deliver again: those that a lost checkpoint had acknowledged.

        An entry that turns out to be unusable is forgotten, so that the controller has its episode made again.
        """
        missing = sorted(wanted - self.episodes[step].keys())
        for episode_id, entry_id in self.store.arrived(self.job_id, step, missing).items():
            if order_of(entry_id.decode()) > self.delivered:
                continue
            entry = self.store.fetch(self.job_id, entry_id)
            episode = self.decode(entry)
            if episode is not None and (episode.episode_id, episode.step) == (episode_id, step):
                self.episodes[step].setdefault(episode_id, episode)
            else:
                self.store.forget(self.job_id, step, episode_id, entry_id)


def order_of(entry_id: str) -> tuple[int, int]:
    """Stream ids in their order: milliseconds, sequence."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
