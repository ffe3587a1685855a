"""Files that are not what was meant to be written: none of them is ever served, and nobody waits for the rest."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts.events import PublishFailed
from trainer.engine import Engine
from trainer.failures import JobFailure
from trainer.release import Release
from trainer.shards import cut
from trainer.weight_routes import WeightRoute
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


def on_a_rotten_disk(kind: type[SharedDirectory] | type[Upload], spoil: Callable[[Path], None]) -> WeightRoute:
    """The last file changes after it was written."""

    class Rotten(kind):  # type: ignore[valid-type, misc]
        def prepare(self, engine: Engine, release: Release) -> None:
            if release.version:
                *_, last = release.landing.wait(WAIT_SECONDS)
                spoil(release.landing.place / last)
            super().prepare(engine, release)

    return Rotten()


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        (SharedDirectory, turn_a_bit, "XXH3-128"),
        (Upload, turn_a_bit, "XXH3-128"),
        (Upload, cut_off, "another length"),
    ],
)
def test_a_corrupt_shard_is_never_served(
    make_fleet: MakeFleet,
    engines: list[EngineProcess],
    kind: type[SharedDirectory] | type[Upload],
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    urls = [engines[0].url]
    fleet = make_fleet(urls, on_a_rotten_disk(kind, spoil), deadline_seconds=0.0)
    fleet.publish(0)
    with pytest.raises(JobFailure, match=message):
        fleet.publish(1)
    assert fleet.serving() == dict.fromkeys(urls, 0)
    assert {event.phase for event in fleet.events(PublishFailed)} == {"prepare"}


def test_a_write_that_fails_in_mid_upload_leaves_the_old_weights(
    make_fleet: MakeFleet, engines: list[EngineProcess], student: Path, tmp_path: Path
) -> None:
    fleet = make_fleet([engines[0].url], Upload(smallest_shard=8192))
    fleet.publish(0)
    fleet.publisher.base = Path(shutil.copytree(student, tmp_path / "base"))
    *_, last = cut(fleet.policy.weights(), 8192)
    (fleet.publisher.base / last).mkdir()  # a directory of that name: the file cannot be opened
    (fleet.publisher.base / last / "file").touch()
    with pytest.raises(OSError, match=last):
        fleet.publish(1)
    [replica] = fleet.publisher.replicas
    assert replica.submit(replica.engine.identity).result(WAIT_SECONDS).weight_version == "job-1:0"
    fleet.publisher.base = student
    fleet.publish(2)
    assert fleet.serving() == {engines[0].url: 2}
