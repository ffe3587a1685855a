"""Files that are not what was meant to be written: none of them is ever served, and nobody waits for the rest."""

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from contracts.events import PolicyPublished, PublishFailed
from trainer.engine import Engine, EngineError
from trainer.failures import JobFailure
from trainer.release import Release
from trainer.shards import cut
from trainer.weight_routes import WeightRoute
from trainer.weight_routes.broadcast import Broadcast
from trainer.weight_routes.shared_directory import SharedDirectory
from trainer.weight_routes.upload import Upload

from .conftest import WAIT_SECONDS, Fleet
from .engines import EngineProcess

MakeFleet = Callable[..., Fleet]


def turn_a_bit(path: Path) -> None:
    """The values stay finite."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


class RottenDisk(SharedDirectory):
    """The last file changes after it was written."""

    def prepare(self, engine: Engine, release: Release) -> None:
        if release.version:
            *_, last = release.landing.wait(WAIT_SECONDS)
            turn_a_bit(release.landing.place / last)
        super().prepare(engine, release)


def test_a_corrupt_shard_is_never_served(make_fleet: MakeFleet, engines: list[EngineProcess]) -> None:
    urls = [engines[0].url]
    fleet = make_fleet(urls, RottenDisk(), deadline_seconds=0.0)
    fleet.publish(0)
    with pytest.raises(JobFailure, match="XXH3-128"):
        fleet.publish(1)
    assert fleet.serving() == dict.fromkeys(urls, 0)
    assert {event.phase for event in fleet.events(PublishFailed)} == {"prepare"}


@pytest.mark.parametrize(("spoil", "message"), [(turn_a_bit, "XXH3-128"), (cut_off, "another length")])
def test_a_replica_that_returns_is_not_uploaded_a_corrupt_shard(
    make_fleet: MakeFleet, engines: list[EngineProcess], spoil: Callable[[Path], None], message: str
) -> None:
    """What was published came out of the trainer's memory; who comes later is sent the files."""
    fleet = make_fleet([engines[0].url], Upload())
    fleet.publish(0)
    fleet.publish(1)
    served = fleet.publisher.swapper.served
    assert served is not None
    *_, last = served.lengths
    good = (served.directory / last).read_bytes()
    spoil(served.directory / last)
    [replica] = fleet.publisher.swapper.replicas
    serving = partial(fleet.publisher.swapper.serve_one, replica, served)
    with pytest.raises(EngineError, match=message):
        replica.submit(serving).result(WAIT_SECONDS)
    (served.directory / last).write_bytes(good)
    assert replica.submit(serving).result(WAIT_SECONDS).version == 1


@pytest.mark.parametrize("route", [Upload, lambda: Broadcast("127.0.0.1", "gloo")], ids=["upload", "broadcast"])
def test_what_lies_in_memory_is_served_before_its_files_are_written(
    make_fleet: MakeFleet,
    engines: list[EngineProcess],
    monkeypatch: pytest.MonkeyPatch,
    route: Callable[[], WeightRoute],
) -> None:
    """And a disk that cannot take them ends the publication, with nothing left behind and nothing unproved."""
    monkeypatch.setattr("trainer.release.HEAD_START_SECONDS", WAIT_SECONDS)
    fleet, seen = make_fleet([engines[0].url], route()), []
    fleet.publish(0)
    engine = Engine(engines[0].url)

    def write(shards: object, place: Path, land: object) -> None:
        seen.append((engine.identity().weight_version, [path.name for path in place.glob("*.safetensors")]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("trainer.release.write_weights", write)
        with pytest.raises(OSError, match="No space left"):
            fleet.publish(1)
    engine.close()
    assert seen == [("job-1:1", [])]
    assert fleet.serving() == {engines[0].url: 1}
    assert [event.policy_version for event in fleet.events(PolicyPublished)] == [0]
    assert fleet.publisher.swapper.served is not None
    assert list(fleet.publisher.swapper.served.directory.parent.iterdir()) == [fleet.publisher.swapper.served.directory]
    fleet.publish(2)
    assert fleet.serving() == {engines[0].url: 2}


def test_a_write_that_fails_while_engines_read_leaves_the_old_weights(
    make_fleet: MakeFleet, engines: list[EngineProcess], student: Path, tmp_path: Path
) -> None:
    fleet = make_fleet([engines[0].url], SharedDirectory(smallest_shard=8192))
    fleet.publish(0)
    fleet.publisher.base = Path(shutil.copytree(student, tmp_path / "base"))
    *_, last = cut(fleet.policy.weights(), 8192)
    (fleet.publisher.base / last).mkdir()  # a directory of that name: the file cannot be opened
    (fleet.publisher.base / last / "file").touch()
    with pytest.raises(OSError, match=last):
        fleet.publish(1)
    [replica] = fleet.publisher.swapper.replicas
    assert replica.submit(replica.engine.identity).result(WAIT_SECONDS).weight_version == "job-1:0"
    fleet.publisher.base = student
    fleet.publish(2)
    assert fleet.serving() == {engines[0].url: 2}
