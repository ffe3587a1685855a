"""No phase of any route waits for ever, whatever call it is that an engine never answers."""

from collections.abc import Callable

import pytest
from contracts.events import PolicyRolledBack, PublishFailed, ReplicaLeft
from trainer.failures import JobFailure

from .conftest import Fleet
from .engines import EngineProcess, Proxy
from .test_swaps import ROUTES

MakeFleet = Callable[..., Fleet]
# A healthy engine needs a tenth of it; one that misses it on a loaded machine is asked again.
HELD_UP_SECONDS = 3.0
CALLS = {
    "/continue_generation": "shared_directory",
    "/generate": "shared_directory",
    "/upload_weights": "upload",
    "/update_weights_from_upload": "upload",
    "/init_weights_update_group": "broadcast",
    "/begin_weight_update": "broadcast",
    "/update_weights_from_distributed": "broadcast",
    "/end_weight_update": "broadcast",
}


@pytest.mark.parametrize("path", CALLS)
def test_a_call_that_is_never_answered_holds_up_nobody(
    make_fleet: MakeFleet, engines: list[EngineProcess], proxy: Proxy, path: str
) -> None:
    urls = [engines[0].url, proxy.url]
    fleet = make_fleet(urls, ROUTES[CALLS[path]](), phase_seconds=HELD_UP_SECONDS)
    proxy.hang.add(path)
    fleet.publish(0)
    assert fleet.serving() == {urls[0]: 0, proxy.url: None}
    assert "not done within" in fleet.rotation()[proxy.url].reason
    proxy.hang.clear()
    proxy.released.set()
    fleet.patrol_until(lambda: fleet.serving() == dict.fromkeys(urls, 0))


def test_under_roll_back_nobody_swaps_when_one_was_not_prepared(
    make_fleet: MakeFleet, engines: list[EngineProcess], proxy: Proxy
) -> None:
    urls = [engines[0].url, proxy.url]
    fleet = make_fleet(urls, rule="roll_back", phase_seconds=HELD_UP_SECONDS, deadline_seconds=0.0)
    fleet.publish(0)
    proxy.hang.add("/prepare_weights")
    with pytest.raises(JobFailure, match="not done within") as error:
        fleet.publish(1)
    assert error.value.code == "publish_failed"
    assert {event.phase for event in fleet.events(PublishFailed)} == {"prepare"}
    assert fleet.serving() == dict.fromkeys(urls, 0)
    assert [replica.engine.identity().weight_version for replica in fleet.publisher.swapper.replicas] == ["job-1:0"] * 2
    assert fleet.events(ReplicaLeft) == fleet.events(PolicyRolledBack) == []
