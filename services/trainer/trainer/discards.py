"""Deletes the checkpoints that users want deleted: the API writes down which, the trainer owns the files."""

import time
from contextlib import nullcontext
from pathlib import Path

import structlog
from contracts.events import CheckpointDeleted, CheckpointDeleteFailed
from contracts.policies import checkpoint_directory, job_directory, policy_directory

from trainer.durable import remove_whole
from trainer.locks import DirectoryBusy, sole_trainer
from trainer.policies import by_age
from trainer.store import Store

log = structlog.get_logger()


class Discards:
    """What is asked for stays written down until it is done, so a trainer that is killed in between does it later."""

    def __init__(self, store: Store, data_root: Path) -> None:
        self.store = store
        self.data_root = data_root

    def look(self, held: str | None = None) -> None:
        """Call every second or so. held: the job whose directory this trainer has locked. Raises redis.RedisError."""
        for job_id, step in self.store.discards():
            try:
                self.carry_out(job_id, step, held)
            except DirectoryBusy:
                log.debug("discard_left_to_another_trainer", job_id=job_id, step=step)
            except OSError as error:
                log.error("checkpoint_not_deleted", job_id=job_id, step=step, error=str(error))
                told = CheckpointDeleteFailed(at=time.time(), step=step, detail=str(error))
                self.store.end_discard(job_id, step, told)

    def carry_out(self, job_id: str, step: int, held: str | None) -> None:
        """The checkpoint first: without it nobody is shown its policy. Raises DirectoryBusy, OSError.

        The newest policy stays: engines may serve it still, and new jobs are checked against its config.
        """
        with nullcontext() if job_id == held else sole_trainer(job_directory(self.data_root, job_id)):
            remove_whole(checkpoint_directory(self.data_root, job_id, step))
            policy = policy_directory(self.data_root, job_id, step)
            if policy not in by_age(policy.parent)[-1:]:
                remove_whole(policy)
        log.info("checkpoint_deleted", job_id=job_id, step=step)
        self.store.end_discard(job_id, step, CheckpointDeleted(at=time.time(), step=step))
