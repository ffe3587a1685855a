"""All Redis of the trainer. Every command is bounded: a lost server raises a redis.RedisError."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from contracts import keys, scripts
from contracts.credit import EpisodeCredit, encode_credit
from contracts.errors import Problem
from contracts.events import EVENT_FIELD, EpisodeRejected, Event, encode_event
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, decode_manifest
from contracts.records import EvaluationRecord, StepRecord
from contracts.rotation import Standing
from contracts.statuses import JobStatus
from contracts.stored_specs import SPEC_UNREADABLE, UnreadableSpec, read_spec
from contracts.transitions import PauseReason, Transition, failing, pausing
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from trainer.failures import JobFailure
from trainer.scripts import ANNOUNCE_STEP, END_DISCARD, FORGET_ENTRY, REJECT_ENTRY

# A local server answers in microseconds; one that rewrites its append-only file on a slow disk stalls for seconds.
SOCKET_SECONDS = 10.0
# A dropped connection is replaced at once; a server that is away is waited for by the training loop, which can stop.
RETRIES = 3
# Replies of some hundred kilobytes are read several times as fast as those of megabytes.
READ_ENTRIES = 32
# Some tens of bytes each.
PENDING_IDS = 1000
CONSUMER = "rank0"
HEARTBEAT_TTL_SECONDS = 10


@dataclass(frozen=True)
class Job:
    """What the trainer needs to know of a job."""

    id: str
    spec: JobSpec
    policy_version: int | None  # proved to be served, once
    seat: int = 0  # how often the job took the engine: a trainer works for one seat


@dataclass(frozen=True)
class Entry:
    """One stream entry, not decoded. `payload` is empty when the entry has no episode field or was deleted."""

    id: bytes
    payload: bytes


def connect(url: str) -> "redis.Redis":
    """A client with short named time-outs."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), RETRIES),
        retry_on_error=[redis.ConnectionError, redis.BusyLoadingError],
    )


class Store:
    """Jobs, manifests, episode streams and events."""

    def __init__(self, client: "redis.Redis") -> None:
        self.redis: Any = client
        self.announce = client.register_script(ANNOUNCE_STEP)
        self.reject_entry = client.register_script(REJECT_ENTRY)
        self.forget_entry = client.register_script(FORGET_ENTRY)
        self.discarded = client.register_script(END_DISCARD)
        self.transition = client.register_script(scripts.TRANSITION)

    def ping(self) -> None:
        """Raises when Redis does not answer."""
        self.redis.ping()

    def server_id(self) -> str:
        """Changes with every start of Redis."""
        return str(self.redis.info("server")["run_id"])

    def running_job(self) -> str | None:
        """The job that holds the student engine, when it is running."""
        active = self.redis.get(keys.active_job())
        return active.decode() if active is not None and self.is_running(active.decode()) else None

    def job(self, job_id: str) -> Job:
        """Raises JobFailure when this version cannot read its spec."""
        spec, version, seat = self.redis.hmget(keys.job(job_id), "spec", "policy_version", "seat")
        read, policy_version = read_spec(spec or b""), None if version is None else int(version)
        if isinstance(read, UnreadableSpec):
            raise JobFailure(SPEC_UNREADABLE, read.detail)
        return Job(job_id, read, policy_version, int(seat or 0))

    def is_running(self, job_id: str, seat: int | None = None) -> bool:
        """The job may still be worked on, by whoever took it up in this seat (None: in any)."""
        status, now_seat = self.redis.hmget(keys.job(job_id), "status", "seat")
        return status == JobStatus.RUNNING.encode() and seat in (None, int(now_seat or 0))

    def manifest(self, job_id: str, step: int) -> Manifest | None:
        """The batch of a step, once it is fixed."""
        data = self.redis.get(keys.manifest(job_id, "train", step))
        return None if data is None else decode_manifest(data)

    def join(self, job_id: str) -> str:
        """Make the consumer group where it is missing. Returns the id of the last entry it has delivered."""
        stream = keys.stream(job_id, "train")
        try:
            self.redis.xgroup_create(stream, keys.TRAINER_GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        groups = self.redis.xinfo_groups(stream)
        mine = next(group for group in groups if group["name"] == keys.TRAINER_GROUP.encode())
        delivered: bytes = mine["last-delivered-id"]
        return delivered.decode()

    def pending(self, job_id: str, after: str) -> list[Entry]:
        """Entries that were delivered to this consumer and not acknowledged, from the one after `after`."""
        return self.read(job_id, after, None)

    def new(self, job_id: str, wait_seconds: float) -> list[Entry]:
        """Entries that nobody has seen; waits for the first of them."""
        return self.read(job_id, ">", max(1, int(wait_seconds * 1000)))

    def read(self, job_id: str, after: str, block: int | None) -> list[Entry]:
        stream = keys.stream(job_id, "train")
        answer = self.redis.xreadgroup(keys.TRAINER_GROUP, CONSUMER, {stream: after}, READ_ENTRIES, block)
        entries = answer[0][1] if answer else []
        return [entry_of(entry_id, fields) for entry_id, fields in entries]

    def pending_ids(self, job_id: str) -> Iterator[bytes]:
        """Ids of all entries that were delivered to this consumer and not acknowledged."""
        stream, after = keys.stream(job_id, "train"), "-"
        while found := self.redis.xpending_range(stream, keys.TRAINER_GROUP, after, "+", PENDING_IDS, CONSUMER):
            yield from (each["message_id"] for each in found)
            after = "(" + found[-1]["message_id"].decode()

    def fetch(self, job_id: str, entry_id: bytes) -> Entry:
        """One entry, whoever has seen it."""
        found = self.redis.xrange(keys.stream(job_id, "train"), entry_id, entry_id)
        return entry_of(entry_id, found[0][1] if found else {})

    def arrived(self, job_id: str, step: int, episode_ids: list[str]) -> dict[str, bytes]:
        """Entry ids of those episodes that were appended."""
        if not episode_ids:
            return {}
        found = self.redis.hmget(keys.index(job_id, "train", step), episode_ids)
        return {name: entry_id for name, entry_id in zip(episode_ids, found, strict=True) if entry_id is not None}

    def acknowledge(self, job_id: str, entry_ids: list[bytes]) -> int:
        """Call only for entries whose step is committed. Returns how many were acknowledged now."""
        if not entry_ids:
            return 0
        return int(self.redis.xack(keys.stream(job_id, "train"), keys.TRAINER_GROUP, *entry_ids))

    def reject(self, job_id: str, entry: Entry, detail: str) -> bool:
        """Move an unusable entry to the dead letters, once."""
        event = EpisodeRejected(at=time.time(), entry_id=entry.id.decode(), detail=detail)
        stream, events = keys.stream(job_id, "train"), keys.events(job_id)
        arguments: list[Any] = [keys.TRAINER_GROUP, entry.id, entry.payload, detail, encode_event(event)]
        return bool(self.reject_entry([stream, keys.dead_letters(job_id), events], arguments))

    def forget(self, job_id: str, step: int, episode_id: str, entry_id: bytes) -> None:
        """Let the controller have this episode made again."""
        self.forget_entry([keys.index(job_id, "train", step)], [episode_id, entry_id])

    def cold_batches(self, job_id: str) -> int:
        """Cold batches of the job so far."""
        return int(self.redis.hget(keys.job(job_id), "cold_batches") or 0)

    def announce_step(self, job_id: str, record: StepRecord, events: list[Event]) -> bool:
        """Record a trained step and tell its events, once. False when that was done before."""
        arguments: list[Any] = [record.step, record.model_dump_json(), int(record.cold), *map(encode_event, events)]
        return bool(self.announce([keys.steps(job_id), keys.job(job_id), keys.events(job_id)], arguments))

    def accuracies(self, job_id: str) -> dict[int, float]:
        """Held-out unassisted accuracy by policy version, of those that were evaluated."""
        records = map(EvaluationRecord.model_validate_json, self.redis.hvals(keys.evaluations(job_id)))
        return {record.policy_version: record.unassisted_accuracy for record in records}

    def keep_credits(self, job_id: str, step: int, credits: dict[str, EpisodeCredit]) -> None:
        """What the episodes of a step were given. A replayed step writes the same again."""
        if not credits:
            return
        self.redis.hset(keys.credits(job_id, step), mapping={name: encode_credit(it) for name, it in credits.items()})

    def set_policy_version(self, job: Job, version: int) -> None:
        """The engine is proved to serve this version."""
        self.redis.hset(keys.job(job.id), mapping={"policy_version": version, "step": version, "served_seat": job.seat})

    def rotation(self, job_id: str, replicas: Sequence[str]) -> dict[str, Standing]:
        """What was recorded of these replicas; others, of earlier settings, are forgotten. Raises ValidationError."""
        found = self.redis.hgetall(keys.rotation(job_id))
        standings = {url.decode(): Standing.model_validate_json(data) for url, data in found.items()}
        gone = standings.keys() - set(replicas)
        if gone:
            self.redis.hdel(keys.rotation(job_id), *gone)
        return {url: standing for url, standing in standings.items() if url not in gone}

    def set_standing(self, job_id: str, replica: str, standing: Standing) -> None:
        """A replica joined the rotation, proved another version, or left."""
        self.redis.hset(keys.rotation(job_id), replica, standing.model_dump_json())

    def discards(self) -> list[tuple[str, int]]:
        """Job and step of each checkpoint that a user wants deleted."""
        asked = (member.decode().rsplit("/", 1) for member in self.redis.smembers(keys.discards()))
        return sorted((job_id, int(step)) for job_id, step in asked)

    def end_discard(self, job_id: str, step: int, event: Event) -> None:
        """Tell what came of it, once."""
        self.discarded([keys.discards(), keys.events(job_id)], [f"{job_id}/{step}", encode_event(event)])

    def emit(self, job_id: str, event: Event) -> None:
        """Append to the job's events."""
        self.redis.xadd(keys.events(job_id), {EVENT_FIELD: encode_event(event)})

    def fail(self, job_id: str, problem: Problem) -> bool:
        """Running becomes failed, with its reason. False when the job was no longer live."""
        return self._move(failing(job_id, problem.code, problem.detail, time.time()))

    def pause(self, job_id: str, reason: PauseReason, detail: str) -> bool:
        """Ask for a pause, with what its user must mend. False when the job was not running."""
        return self._move(pausing(job_id, reason, detail, time.time()))

    def _move(self, step: Transition) -> bool:
        changed, _ = self.transition(step.keys, step.arguments)
        return bool(changed)

    def beat(self, body: dict[str, Any]) -> None:
        """Say that this process is alive."""
        self.redis.set(keys.heartbeat("trainer", CONSUMER), json.dumps(body), ex=HEARTBEAT_TTL_SECONDS)


def entry_of(entry_id: bytes, fields: dict[bytes, bytes] | None) -> Entry:
    """Redis answers nil for the fields of a pending entry that was deleted."""
    return Entry(entry_id, (fields or {}).get(keys.EPISODE_FIELD.encode(), b""))
