"""Controllers in the test's own event loop, and what they told the user."""

import pytest
from contracts import keys
from contracts.events import decode_event
from orchestrator.controller import Controller
from orchestrator.driver import Driver
from orchestrator.observation import ControllerMetrics
from orchestrator.questions import QuestionShelf
from orchestrator.redis_client import connect
from orchestrator.rollout.dispatch import ChunkSender
from orchestrator.settings import OrchestratorSettings
from orchestrator.watch import Watch
from prometheus_client import CollectorRegistry


@pytest.fixture
async def client(redis_url):
    made = connect(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
def sender(redis_url):
    made = ChunkSender(redis_url)
    yield made
    made.close()


@pytest.fixture
def controller(redis_url, sender):
    """controller(redis, trainer_missing_seconds=1): a new controller, as after a restart."""

    def make(redis, **settings):
        metrics = ControllerMetrics(CollectorRegistry())
        parsed = OrchestratorSettings(redis_url=redis_url, **settings)
        return Controller(redis, Driver(Watch(redis), parsed, sender, QuestionShelf([]), metrics), metrics)

    return make


@pytest.fixture
def told(store):
    """told(job_id): the job's events in order."""
    return lambda job_id: [decode_event(fields[b"event"]) for _, fields in store.xrange(keys.events(job_id))]


@pytest.fixture
def story(told):
    """story(job_id): type and status or step of each event, without redispatches."""

    def tell(job_id):
        return [
            (event.type, getattr(event, "status", None) or getattr(event, "step", None))
            for event in told(job_id)
            if event.type != "chunk.redispatched"
        ]

    return tell
