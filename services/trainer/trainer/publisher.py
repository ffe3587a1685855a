"""Policy versions: written, brought to every replica, and told of once they are proved to be served."""

import time
from pathlib import Path

from contracts.events import PolicyPublished
from contracts.policies import checkpoint_steps

from trainer.failures import JobFailure
from trainer.policies import collect_old
from trainer.policy import Policy
from trainer.release import Release, new_release
from trainer.replicas import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Proof, Replica
from trainer.swapper import Swapped, Swapper


class WeightPublisher:
    """Publishes the versions of one job, whose weights are files of `base` with other tensors."""

    def __init__(self, swapper: Swapper, data_root: Path, job_id: str, base: Path) -> None:
        self.swapper = swapper
        self.data_root = data_root
        self.job_id = job_id
        self.base = base

    def publish(self, policy: Policy, version: int) -> None:
        """Prepare, swap, prove; and write: first where engines read the files, else meanwhile.

        Raises JobFailure when the deadline passes without a proof, and OSError.
        """
        swapper, started = self.swapper, time.monotonic()
        swapper.stopwatch.reset()
        release, (proofs, failures) = self.bring(policy, version)
        proofs = proofs or self.try_again(release, policy, failures)
        swapper.served = release
        swapper.tell(
            PolicyPublished(
                at=time.time(),
                policy_version=version,
                canary_gap=max(proof.gap for proof in proofs.values()),
                seconds=time.monotonic() - started,
                in_rotation=swapper.rotation.size,
                phase_seconds=dict(swapper.stopwatch.seconds),
            )
        )
        collect_old(release.directory.parent, kept=checkpoint_steps(self.data_root, self.job_id))

    def bring(self, policy: Policy, version: int) -> tuple[Release, Swapped]:
        """The first try. The release lies whole on the disk when this returns."""
        swapper, place = self.swapper, (self.job_id, self.data_root, self.base)
        with new_release(policy, version, *place, swapper.served, swapper.route.smallest_shard) as release:
            if not swapper.route.reads_files:
                prepared = swapper.prepare(release)
                with release.written_beside(lambda: self.write(release)):
                    return release, swapper.swap(release, policy, prepared)
            prepared = swapper.prepare(release, lambda: self.write(release))
        return release, swapper.swap(release, policy, prepared)

    def write(self, release: Release) -> None:
        """Where engines read the files, they read the first while the others are written."""
        with self.swapper.stopwatch.measure("write"):
            release.write()

    def try_again(self, release: Release, policy: Policy, failures: list[str]) -> dict[Replica, Proof]:
        """From its files, until replicas are proved and the rule is content. Raises JobFailure at the deadline."""
        swapper, pause = self.swapper, FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + swapper.rules.deadline_seconds
        proofs: dict[Replica, Proof] = {}
        while not proofs:
            if time.monotonic() >= deadline:
                within = f"policy {release.version} was not published within {swapper.rules.deadline_seconds:.0f} s"
                raise JobFailure("publish_failed", f"{within}: {'; '.join(failures)}")
            swapper.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            proofs, failures = swapper.swap(release, policy, swapper.prepare(release))
        return proofs

    def close(self) -> None:
        """End the threads of the replicas and leave the engines' groups."""
        self.swapper.close()
