"""Every Redis key, in one place. Redis Cluster is not used; all keys begin with `socratic:`.

| key | type | what |
|---|---|---|
| jobs() | zset | job ids by creation time |
| live_jobs() | zset | the same for jobs that have not ended; the controller prunes it |
| idempotency(key) | string | job id made under an Idempotency-Key |
| active_job() | string | the job that holds the student engine |
| job(id) | hash | spec, priority, status, policy_version, step, wait_reason, times, error, pause_reason, |
| | | pause_detail; `seat`: how often it took the engine; `served_seat`: in which of them its policy was proved last |
| events(id) | stream | what happened, in order |
| manifest(id, purpose, step) | string | msgpack Manifest, written once |
| stream(id, purpose) | stream | msgpack Episodes, field `episode`, appended once each |
| index(id, purpose, step) | hash | episode id -> stream entry id: what has arrived |
| credits(id, step) | hash | episode id -> msgpack EpisodeCredit: what the trainer gave its attempts |
| dispatched(id, purpose, step) | hash | chunk -> Unix time of its last dispatch |
| chunk_lease(id, purpose, step, chunk) | string | worker that is rolling the chunk out; expires |
| rotation(id) | hash | control address of an engine replica -> Standing JSON: whose tokens count |
| steps(id) | hash | step -> StepRecord JSON |
| evaluations(id) | hash | step -> EvaluationRecord JSON |
| dead_letters(id) | stream | entries that could not be decoded, with the cause |
| discards() | set | `job/step` of each checkpoint that a user wants deleted, until the trainer has done it |
| lease(name), fence(name) | string | leader lease and its fencing token |
| spending(scope) | hash | teacher spending of a job (`job:<id>`) or provider (`provider:<name>`): `held_*` counts |
| spending(scope), `cap_*` | | caps set anew, which replace those that calls bring |
| costs(id) | hash | settled nano-USD of a job by `episode/...`, `step/...`, `provider/...` |
| reservations() | hash | teacher call -> what it holds until it is settled; a lost call holds it for ever |
| traffic(provider) | hash | requests and tokens of a provider's last minute, by second; expires |
| flight(cassette, key) | string | a lease: the gateway that asks for a guidance which others want too; expires |
| throttled(id) | string | the provider whose rate limit the job's guidance waits for; expires |
| heartbeat(service, instance) | string | JSON, expires when the process stops writing it |
"""

from contracts.episodes import Purpose

PREFIX = "socratic"
TRAINER_GROUP = "trainer"
EPISODE_FIELD = "episode"


def jobs() -> str:
    return f"{PREFIX}:jobs"


def live_jobs() -> str:
    return f"{PREFIX}:live_jobs"


def idempotency(key: str) -> str:
    return f"{PREFIX}:idempotency:{key}"


def active_job() -> str:
    return f"{PREFIX}:active_job"


def job(job_id: str) -> str:
    return f"{PREFIX}:job:{job_id}"


def events(job_id: str) -> str:
    return f"{job(job_id)}:events"


def manifest(job_id: str, purpose: Purpose, step: int) -> str:
    return f"{job(job_id)}:manifest:{purpose}:{step}"


def stream(job_id: str, purpose: Purpose) -> str:
    return f"{job(job_id)}:episodes:{purpose}"


def index(job_id: str, purpose: Purpose, step: int) -> str:
    return f"{job(job_id)}:index:{purpose}:{step}"


def credits(job_id: str, step: int) -> str:
    return f"{job(job_id)}:credits:{step}"


def dispatched(job_id: str, purpose: Purpose, step: int) -> str:
    return f"{job(job_id)}:dispatched:{purpose}:{step}"


def chunk_lease(job_id: str, purpose: Purpose, step: int, chunk: int) -> str:
    return f"{job(job_id)}:chunk:{purpose}:{step}:{chunk}"


def rotation(job_id: str) -> str:
    return f"{job(job_id)}:rotation"


def steps(job_id: str) -> str:
    return f"{job(job_id)}:steps"


def evaluations(job_id: str) -> str:
    return f"{job(job_id)}:evaluations"


def dead_letters(job_id: str) -> str:
    return f"{job(job_id)}:dead_letters"


def discards() -> str:
    return f"{PREFIX}:discards"


def lease(name: str) -> str:
    return f"{PREFIX}:lease:{name}"


def fence(name: str) -> str:
    return f"{PREFIX}:fence:{name}"


def spending(scope: str) -> str:
    return f"{PREFIX}:spending:{scope}"


def costs(job_id: str) -> str:
    return f"{PREFIX}:costs:{job_id}"


def reservations() -> str:
    return f"{PREFIX}:reservations"


def traffic(provider: str) -> str:
    return f"{PREFIX}:traffic:{provider}"


def flight(cassette: str, key: str) -> str:
    return f"{PREFIX}:flight:{cassette}:{key}"


def throttled(job_id: str) -> str:
    return f"{job(job_id)}:throttled"


def heartbeat(service: str, instance: str) -> str:
    return f"{PREFIX}:heartbeat:{service}:{instance}"
