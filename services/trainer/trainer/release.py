"""One policy version as files, and how to recognise it in an engine."""

import math
from dataclasses import dataclass
from pathlib import Path

from contracts.policies import engine_version, policy_directory

from trainer.canary import canary_ids
from trainer.policies import WEIGHTS_FILE, write_policy
from trainer.policy import Policy

# A disk, network or engine that is slower than this is as good as broken; a swap must end by then.
SLOWEST_BYTES_PER_SECOND = 20e6
# What does not depend on the size: requests that queue before the canary, a busy machine. A call whose connection died
# without a word hangs for so long, so it is what a swap may lose by one; the swap is then tried again.
PHASE_SECONDS = 15.0


@dataclass(frozen=True)
class Release:
    """`canary`: what the trainer computes for it, filled by `recognise`; `canary_before`: of the version before."""

    version: int
    name: str  # the engine's weight version
    directory: Path
    sha256: str  # of its weights
    size: int  # bytes of its weights
    canary_ids: list[int]
    canary: list[float]
    canary_before: list[float] | None

    def recognise(self, policy: Policy) -> None:
        """Compute the canary, once: while engines prepare there is time for it."""
        if not self.canary:
            self.canary.extend(policy.prompt_logprobs(self.canary_ids))

    @property
    def weights(self) -> Path:
        """The one safetensors file."""
        return self.directory / WEIGHTS_FILE

    @property
    def phase_seconds(self) -> float:
        """Deadline of preparing it, and of swapping and proving it."""
        return PHASE_SECONDS + math.ceil(self.size / SLOWEST_BYTES_PER_SECOND)


def write_release(
    policy: Policy, version: int, job_id: str, data_root: Path, base: Path, before: Release | None
) -> Release:
    """Write the weights of a policy as the next version. Raises OSError."""
    directory = policy_directory(data_root, job_id, version).absolute()
    sha256 = write_policy(policy, base, directory)
    return Release(
        version=version,
        name=engine_version(job_id, version),
        directory=directory,
        sha256=sha256,
        size=(directory / WEIGHTS_FILE).stat().st_size,
        canary_ids=canary_ids(policy.vocab_size),
        canary=[],
        canary_before=before.canary if before else None,
    )
