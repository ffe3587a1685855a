"""Swaps under load and under faults: no request is lost, no token counts for another version, the job goes on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from contracts.events import PolicyPublished, PolicyRestored, PolicyRolledBack, PublishFailed, ReplicaLeft
from trainer.engine import ANSWER_SECONDS
from trainer.failures import JobFailure
from trainer.weight_routes import WeightRoute
from trainer.weight_routes.broadcast import Broadcast
from trainer.weight_routes.shared_directory import SharedDirectory
from trainer.weight_routes.upload import Upload

from .conftest import WAIT_SECONDS, Fleet
from .engines import EngineProcess, Proxy
from .traffic import Traffic

MakeFleet = Callable[..., Fleet]
StartTraffic = Callable[[Sequence[str]], Traffic]
ROUTES: dict[str, Callable[[], WeightRoute]] = {
    "shared_directory": SharedDirectory,
    "broadcast": lambda: Broadcast("127.0.0.1", "gloo"),
    "upload": Upload,
}


def wait_until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def answered(traffic: Traffic, version: int) -> bool:
    """Some answer was begun and ended by this version."""
    return any({span.version for span in one.answer.version_spans} == {version} for one in traffic.exchanges[-60:])


@pytest.mark.parametrize("route", ROUTES)
def test_swaps_under_load_lose_nothing_and_every_token_is_its_versions(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess], route: str
) -> None:
    urls = [engine.url for engine in engines]
    fleet = make_fleet(urls, ROUTES[route]())
    fleet.publish(0)
    rollouts = traffic(urls)
    for version in (1, 2):
        wait_until(lambda: answered(rollouts, version - 1), f"answers by version {version - 1}")  # noqa: B023
        fleet.publish(version)
    wait_until(lambda: answered(rollouts, 2), "answers by the last version")
    rollouts.stop()
    assert rollouts.failures == []
    assert fleet.serving() == dict.fromkeys(urls, 2)
    assert [event.in_rotation for event in fleet.events(PolicyPublished)] == [3, 3, 3]
    assert fleet.events(PublishFailed) == []
    straddling = [one for one in rollouts.exchanges if len(one.answer.version_spans) > 1]
    assert straddling, "no request was in flight during a swap"
    fleet.check(straddling)
    after = [one for one in rollouts.exchanges if one.answer.version_spans[0].version == 2]
    fleet.check(after[:30])


def test_a_replica_killed_in_mid_swap_leaves_and_returns(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess], proxy: Proxy
) -> None:
    urls = [engines[0].url, engines[1].url, proxy.url]
    fleet = make_fleet(urls)
    fleet.publish(0)
    rollouts = traffic(urls)
    wait_until(lambda: answered(rollouts, 0), "answers")
    proxy.before = lambda path: engines[2].kill() if path == "/update_weights_from_disk" else None
    fleet.publish(1)
    assert fleet.serving() == {urls[0]: 1, urls[1]: 1, proxy.url: None}
    [left] = fleet.events(ReplicaLeft)
    assert (left.replica, left.in_rotation) == (proxy.url, 2)
    proxy.before = lambda path: None
    engines[2].start()
    fleet.patrol_until(lambda: fleet.serving()[proxy.url] == 1)
    assert [event.replica for event in fleet.events(PolicyRestored)] == [proxy.url]
    wait_until(lambda: answered(rollouts, 1), "answers by the new version")
    rollouts.stop()
    assert rollouts.failures == []
    fleet.check(rollouts.exchanges[-40:])


def test_a_replica_that_lies_is_found_out_and_none_of_its_tokens_count(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess], proxy: Proxy
) -> None:
    """It answers 200 and names the new version, and keeps its old weights: only the canary tells."""
    urls = [engines[0].url, proxy.url]
    fleet = make_fleet(urls)
    fleet.publish(0)
    rollouts = traffic(urls)
    wait_until(lambda: answered(rollouts, 0), "answers")
    proxy.lies = True
    fleet.publish(1)
    assert fleet.serving() == {urls[0]: 1, proxy.url: None}
    assert "canary" in fleet.events(ReplicaLeft)[0].reason
    wait_until(lambda: answered(rollouts, 1), "answers by the honest one")
    rollouts.stop()
    assert rollouts.failures == []
    fleet.check([one for one in rollouts.exchanges if one.answer.version_spans[-1].version == 1])
    proxy.lies = False
    fleet.patrol_until(lambda: fleet.serving()[proxy.url] == 1)


@pytest.mark.parametrize("path", ["/prepare_weights", "/update_weights_from_disk", "/pause_generation"])
def test_a_replica_that_hangs_holds_up_nobody(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess], proxy: Proxy, path: str
) -> None:
    urls = [engines[0].url, proxy.url]
    fleet = make_fleet(urls, phase_seconds=5.0)
    fleet.publish(0)
    rollouts = traffic(urls)
    wait_until(lambda: answered(rollouts, 0), "answers")
    proxy.hang.add(path)
    fleet.publish(1)
    assert fleet.serving() == {urls[0]: 1, proxy.url: None}
    assert [event.replica for event in fleet.events(ReplicaLeft)] == [proxy.url]
    assert "not done within" in fleet.events(PublishFailed)[0].detail
    wait_until(lambda: answered(rollouts, 1), "answers by the healthy one")
    rollouts.oldest = 1
    proxy.hang.clear()
    proxy.released.set()
    fleet.patrol_until(lambda: fleet.serving()[proxy.url] == 1)
    rollouts.stop()
    assert rollouts.failures == []


def test_rolled_back_all_serve_the_version_before(
    make_fleet: MakeFleet, engines: list[EngineProcess], proxy: Proxy
) -> None:
    urls = [engines[0].url, proxy.url]
    fleet = make_fleet(urls, rule="roll_back", deadline_seconds=0.0)
    fleet.publish(0)
    proxy.lies = True
    with pytest.raises(JobFailure, match="canary") as error:
        fleet.publish(1)
    assert error.value.code == "publish_failed"
    [rolled] = fleet.events(PolicyRolledBack)
    assert (rolled.policy_version, rolled.abandoned_version) == (0, 1)
    assert fleet.serving()[urls[0]] == 0
    assert [event.policy_version for event in fleet.events(PolicyPublished)] == [0]
    proxy.lies = False
    fleet.publisher.swapper.rules = type(fleet.publisher.swapper.rules)("roll_back")
    fleet.patrol_until(lambda: set(fleet.serving().values()) == {0})
    fleet.publish(2)
    assert fleet.serving() == dict.fromkeys(urls, 2)


def test_a_replica_that_cannot_read_the_directory_is_out_and_the_others_go_on(
    make_fleet: MakeFleet, engines: list[EngineProcess], student: Path, tmp_path: Path
) -> None:
    blind = EngineProcess(student, engines[0].port, tmp_path / "log", ALLOWED_ROOTS=f'["{student}"]')
    engines[0].kill()
    blind.start()
    try:
        blind.wait_until_ready()
        urls = [engine.url for engine in engines]
        fleet = make_fleet(urls)
        fleet.publish(0)
        assert fleet.serving() == {urls[0]: None, urls[1]: 0, urls[2]: 0}
        assert "allowed roots" in fleet.rotation()[urls[0]].reason
    finally:
        blind.kill()


def test_an_engine_that_restarts_in_the_middle_of_a_batch_gets_nothing_until_it_is_proved(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess]
) -> None:
    urls = [engine.url for engine in engines]
    fleet = make_fleet(urls)
    fleet.publish(0)
    rollouts = traffic(urls)
    wait_until(lambda: answered(rollouts, 0), "answers")
    engines[1].kill()
    # It comes back under the name that was proved, with other weights.
    engines[1].environment["STUDENT_INFERENCE_WEIGHT_VERSION"] = "job-1:0"
    engines[1].start()
    engines[1].wait_until_ready()
    fleet.patrol_until(lambda: bool(fleet.events(PolicyRestored)))
    [left] = fleet.events(ReplicaLeft)
    assert left.replica == urls[1]
    assert fleet.serving() == dict.fromkeys(urls, 0)
    rollouts.stop()
    assert rollouts.failures == []


@pytest.mark.parametrize("route", ROUTES)
def test_an_engine_that_a_killed_trainer_left_paused_goes_on_before_the_next_publication(
    make_fleet: MakeFleet, traffic: StartTraffic, engines: list[EngineProcess], route: str
) -> None:
    urls = [engine.url for engine in engines]
    fleet = make_fleet(urls, ROUTES[route]())
    fleet.publish(0)
    rollouts = traffic(urls)
    wait_until(lambda: answered(rollouts, 0), "answers")
    for replica in fleet.publisher.swapper.replicas:
        replica.engine.pause(ANSWER_SECONDS)  # the trainer dies here
    next_trainer = make_fleet(urls, ROUTES[route]())
    before = len(rollouts.exchanges)
    next_trainer.publisher.swapper.wake()
    wait_until(lambda: len(rollouts.exchanges) > before + rollouts.clients, "answers after the trainer's death")
    rollouts.stop()
    assert rollouts.failures == []
    assert next_trainer.told == []


def test_engines_that_take_no_upload_end_the_job_at_its_start(make_fleet: MakeFleet, proxy: Proxy) -> None:
    """As real SGLang, which has no such route."""
    proxy.absent.add("/upload_weights")
    fleet = make_fleet([proxy.url], Upload())
    with pytest.raises(JobFailure, match="Not Found") as error:
        fleet.publish(0)
    assert error.value.code == "weight_route_missing"


def test_an_engine_that_restarts_between_upload_and_swap_is_sent_the_weights_again(
    make_fleet: MakeFleet, engines: list[EngineProcess], proxy: Proxy
) -> None:
    """It keeps nothing on a disk: what was received is gone with the process."""
    fleet = make_fleet([engines[0].url, proxy.url], Upload())
    fleet.publish(0)

    def restart(path: str) -> None:
        if path == "/update_weights_from_upload":
            proxy.before = lambda path: None
            engines[2].kill()
            engines[2].start()
            engines[2].wait_until_ready()

    proxy.before = restart
    fleet.publish(1)
    assert fleet.serving() == {engines[0].url: 1, proxy.url: None}
    assert "send the weights again" in fleet.rotation()[proxy.url].reason
    fleet.patrol_until(lambda: fleet.serving()[proxy.url] == 1)
