"""What the job directory keeps of each step for people and later study: raw batches, and one JSON line a step."""

import json
from pathlib import Path

from contracts.episodes import Episode, decode_episodes, encode_episodes
from contracts.policies import job_directory
from contracts.records import StepRecord

from trainer.durable import write_whole


def batch_path(data_root: Path, job_id: str, step: int) -> Path:
    """msgpack: the list of the step's Episodes in manifest order, recorded failures included, rewards raw."""
    return job_directory(data_root, job_id) / "batches" / f"step-{step:06d}.msgpack"


def archive_batch(data_root: Path, job_id: str, step: int, episodes: list[Episode]) -> None:
    """Write it before it is learned from, so that any decay rule can be computed on it later. Raises OSError."""
    write_whole(batch_path(data_root, job_id, step), encode_episodes(episodes))


def read_batch(data_root: Path, job_id: str, step: int) -> list[Episode]:
    """The archived episodes of a step. Raises OSError or msgspec.DecodeError."""
    return decode_episodes(batch_path(data_root, job_id, step).read_bytes())


class StepLog:
    """`steps.jsonl`: one line per trained step, each step once however often it is replayed."""

    def __init__(self, data_root: Path, job_id: str) -> None:
        self.path = job_directory(data_root, job_id) / "steps.jsonl"
        self.last_step = 0
        if self.path.exists():
            self.drop_torn_line()

    def drop_torn_line(self) -> None:
        """A crash may have left half a line at the end."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            write_whole(self.path, whole)
        if whole:
            self.last_step = json.loads(whole.splitlines()[-1])["step"]

    def append(self, record: StepRecord) -> None:
        """Add the step unless it stands there. Raises OSError."""
        if record.step <= self.last_step:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(record.model_dump_json() + "\n")
        self.last_step = record.step
