"""A swap counts only when it is proved by log-probabilities; a status code proves nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from contracts.events import Event, PolicyPublished, PolicyRestored, PublishFailed, ReplicaLeft
from contracts.policies import policy_directory
from trainer.canary import LENGTH, RESOLUTION, TOLERANCE, canary_ids, complaint_about
from trainer.engine import Engine, EngineError
from trainer.failures import JobFailure, JobStopped
from trainer.jobs import route_of, rules_of
from trainer.landing import Landing
from trainer.patrol import Patrol
from trainer.policy import Policy
from trainer.publisher import WeightPublisher
from trainer.release import Release
from trainer.replicas import expected_of, swap
from trainer.rotation import Rotation
from trainer.settings import TrainerSettings
from trainer.swapper import Swapper, SwapRules
from trainer.weight_routes.broadcast import Broadcast
from trainer.weight_routes.shared_directory import SharedDirectory
from trainer.weight_routes.upload import Upload

from .makers import JOB, VOCAB
from .standin_engine import StandInEngine

DEADLINE_SECONDS = 0.3
WAIT_SECONDS = 60.0


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def publisher(engine: StandInEngine, student: Path, tmp_path: Path, told: list[Event]) -> Iterator[WeightPublisher]:
    def pause(seconds: float) -> None:
        time.sleep(min(seconds, 0.05))

    client, rotation = Engine(engine.url), Rotation([engine.url], lambda url, standing: None, {})
    rules = SwapRules(deadline_seconds=DEADLINE_SECONDS)
    swapper = Swapper([client], SharedDirectory(), rotation, told.append, pause, rules)
    opened = WeightPublisher(swapper, tmp_path, JOB, student)
    yield opened
    opened.close()
    client.close()


def look_until(publisher: WeightPublisher, done: Callable[[], bool]) -> None:
    patrol, deadline = Patrol(publisher.swapper, silence_seconds=0.0), time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        patrol.look()
        time.sleep(0.01)


@pytest.fixture
def policy(student: Path) -> Policy:
    return Policy.load(student, 1.0)


def learn(policy: Policy, scale: float = 0.1) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in policy.weights().values():
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=scale)


def types_of(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def test_published_means_proved(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, told: list[Event]
) -> None:
    publisher.publish(policy, 0)
    learn(policy)
    publisher.publish(policy, 1)
    assert engine.version == f"{JOB}:1"
    assert types_of(told) == [PolicyPublished, PolicyPublished]
    gap = [event.canary_gap for event in told if isinstance(event, PolicyPublished)][1]
    assert 0 <= gap < 1e-5


@pytest.mark.parametrize("scale", [0.1, 1e-5])
def test_an_engine_that_keeps_its_old_weights_is_never_counted(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, told: list[Event], scale: float
) -> None:
    """It answers 200 and shows the new version, as a known engine does; even an update below the tolerance is seen."""
    publisher.publish(policy, 0)
    engine.faults.add("stale")
    learn(policy, scale)
    with pytest.raises(JobFailure, match="canary") as error:
        publisher.publish(policy, 1)
    assert error.value.code == "publish_failed"
    assert types_of(told).count(PolicyPublished) == 1
    assert PublishFailed in types_of(told)
    assert publisher.swapper.served is not None
    assert publisher.swapper.served.version == 0


@pytest.mark.parametrize(("fault", "message"), [("refusing", "out of memory"), ("mislabelled", "but serves default")])
def test_an_engine_that_fails_is_named(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, told: list[Event], fault: str, message: str
) -> None:
    engine.faults.add(fault)
    with pytest.raises(JobFailure, match=message):
        publisher.publish(policy, 0)
    assert PolicyPublished not in types_of(told)
    assert types_of(told)[0] == PublishFailed
    assert not engine.paused, "an engine must not be left paused"


def test_an_engine_that_recovers_is_published_to(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, told: list[Event]
) -> None:
    engine.faults.add("refusing")
    publisher.swapper.pause = lambda _: engine.faults.clear()
    publisher.publish(policy, 0)
    assert types_of(told) == [PublishFailed, PolicyPublished]


def test_an_engine_that_restarted_gets_its_policy_back(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, told: list[Event]
) -> None:
    publisher.publish(policy, 0)
    # Its only replica is out until it is mended: a busy machine may need longer than DEADLINE_SECONDS for that.
    publisher.swapper.rules = replace(publisher.swapper.rules, deadline_seconds=WAIT_SECONDS)
    engine.version = "default"
    look_until(publisher, lambda: PolicyRestored in types_of(told))
    assert engine.version == f"{JOB}:0"
    assert types_of(told) == [PolicyPublished, ReplicaLeft, PolicyRestored]


def test_a_replica_that_was_mended_with_a_version_replaced_meanwhile_stays_out(
    publisher: WeightPublisher, policy: Policy, told: list[Event]
) -> None:
    publisher.publish(policy, 0)
    [replica] = publisher.swapper.replicas
    late = replica.proof
    publisher.publish(policy, 1)
    publisher.swapper.expel(replica, "it was started again")
    assert late and publisher.swapper.served  # noqa: PT018
    Patrol(publisher.swapper).welcome(replica, late, publisher.swapper.served)
    assert not publisher.swapper.rotation.holds(replica.url)
    assert PolicyRestored not in types_of(told)


def test_an_engine_that_stays_away_fails_the_job(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine
) -> None:
    publisher.publish(policy, 0)
    engine.stop()
    with pytest.raises(JobFailure, match="no answer") as error:
        look_until(publisher, lambda: False)
    assert error.value.code == "engine_unreachable"


def test_waiting_for_an_engine_ends_when_the_trainer_is_asked_to(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine
) -> None:
    def stop(_: float) -> None:
        raise JobStopped("asked")

    publisher.swapper.pause = stop
    engine.faults.add("refusing")
    with pytest.raises(JobStopped):
        publisher.publish(policy, 0)


def test_old_policies_are_collected(publisher: WeightPublisher, policy: Policy, tmp_path: Path) -> None:
    for version in range(5):
        publisher.publish(policy, version)
    parent = policy_directory(tmp_path, JOB, 0).parent
    assert sorted(path.name for path in parent.iterdir()) == ["v000002", "v000003", "v000004"]


def test_canary_ids_lie_in_the_vocabulary() -> None:
    for vocab_size in (5, VOCAB, 151_936):
        ids = canary_ids(vocab_size)
        assert len(ids) == LENGTH
        assert all(0 <= token < vocab_size for token in ids)
    assert len(set(canary_ids(151_936))) == LENGTH


def test_canary_tells_versions_apart() -> None:
    new, far, near = [-1.0, -2.0], [-1.0, -2.1], [-1.0, -2.0 - 3 * RESOLUTION]
    assert complaint_about(new, new, far) is None
    assert complaint_about([-1.0, -2.0 - 2 * TOLERANCE], new, None) is not None
    assert complaint_about([-1.0, float("nan")], new, None) is not None
    assert complaint_about(near, new, None) is None
    assert complaint_about(near, new, near) is not None
    assert complaint_about([-1.0, -2.0 + 1e-6], new, near) is None


class RottenDisk(SharedDirectory):
    """The last value of the last file changes after it was written."""

    def prepare(self, engine: Engine, release: Release) -> None:
        *_, last = release.landing.wait(WAIT_SECONDS)
        data = bytearray((release.landing.place / last).read_bytes())
        data[-4:] = bytes.fromhex("00002040")
        (release.landing.place / last).write_bytes(data)
        super().prepare(engine, release)


def test_where_the_engine_cannot_check_the_files_the_trainer_does(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine
) -> None:
    """As real SGLang, which has no /prepare_weights."""
    publisher.swapper.route = RottenDisk()
    with pytest.raises(JobFailure, match="differs from its checksum"):
        publisher.publish(policy, 0)
    assert engine.version == "default"


def test_a_canary_that_the_trainer_never_computes_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.release.PHASE_SECONDS", 0.05)
    release = Release(0, "job-1:0", Path("v0"), Landing(Path("v0"), {}), 0, [1, 2], None)
    with pytest.raises(EngineError, match="did not compute the canary"):
        expected_of(release)


def test_the_canary_leaves_the_core_to_the_swap(
    publisher: WeightPublisher, policy: Policy, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.release.HEAD_START_SECONDS", WAIT_SECONDS)
    compute, seen = policy.prompt_logprobs, []

    def watched(token_ids: list[int]) -> list[float]:
        seen.append((list(engine.swaps), engine.paused))
        return compute(token_ids)

    monkeypatch.setattr(policy, "prompt_logprobs", watched)
    publisher.publish(policy, 0)
    assert seen == [([f"{JOB}:0"], False)]


def test_files_are_written_on_leaving_when_nobody_wants_the_canary(student: Path) -> None:
    release, written = Release(0, "job-1:0", student, Landing(student, {}), 0, [1, 2], None), []
    with release.written_beside(lambda: written.append(True)):
        assert not written
    release.canary.set_result([-1.0])  # by a later try
    assert written == [True]


def test_files_are_written_once_the_canary_is_computed_and_never_again(student: Path) -> None:
    release, written = Release(0, "job-1:0", student, Landing(student, {}), 0, [1, 2], None), threading.Semaphore(0)
    with release.written_beside(written.release):
        release.canary.set_result([-1.0])
        assert written.acquire(timeout=WAIT_SECONDS)
    assert not written.acquire(blocking=False)


def test_files_of_what_is_abandoned_are_not_written(student: Path) -> None:
    release, written = Release(0, "job-1:0", student, Landing(student, {}), 0, [1, 2], None), []
    with pytest.raises(JobFailure), release.written_beside(lambda: written.append(True)):
        raise JobFailure("publish_failed", "the job was stopped")
    assert not written


@pytest.mark.parametrize("reached", [True, False])
def test_a_swap_that_fails_does_not_keep_the_canary_waiting(
    publisher: WeightPublisher, engine: StandInEngine, student: Path, reached: bool
) -> None:
    engine.faults.add("refusing")
    if not reached:
        del engine.routes["/pause_generation"]
    release = Release(0, "job-1:0", student, Landing(student, {}), 0, [1, 2], None)
    with pytest.raises(EngineError):
        swap(publisher.swapper.replicas[0].engine, publisher.swapper.route, release, TOLERANCE)
    assert release.swapped.is_set()


def test_route_and_rules_are_chosen_by_configuration() -> None:
    for route, kind in {"shared_directory": SharedDirectory, "broadcast": Broadcast, "upload": Upload}.items():
        assert type(route_of(TrainerSettings(weight_route=route))) is kind  # type: ignore[arg-type]
    assert type(route_of(TrainerSettings())) is SharedDirectory
    assert rules_of(TrainerSettings(), "fp32") == SwapRules("rotate_out", TOLERANCE)
    assert rules_of(TrainerSettings(swap_failure="roll_back"), "bf16") == SwapRules("roll_back", 0.25)
    assert rules_of(TrainerSettings(canary_tolerance=0.01), "bf16") == SwapRules("rotate_out", 0.01)


def test_an_engine_that_answers_nonsense_is_an_engine_error(engine: StandInEngine) -> None:
    engine.generate = lambda body: (200, {"output_ids": []})  # type: ignore[method-assign]
    client = Engine(engine.url)
    with pytest.raises(EngineError, match="no input_token_logprobs"):
        client.prompt_logprobs([1, 2, 3])
    client.close()
