"""The training loop of one job. It reads like the paper: collect, learn, commit, publish."""

import time
from pathlib import Path

import torch
from contracts.episodes import Episode
from contracts.events import CheckpointCommitted, CheckpointDamaged, TrainerResumed
from contracts.policies import checkpoint_steps
from contracts.records import StepRecord
from contracts.retention import kept_by

from trainer import checkpoint
from trainer.archive import archive_batch
from trainer.checkpoint import Checkpoint, CheckpointState
from trainer.collector import Collector
from trainer.credit import credits_of
from trainer.dynamic_sampling import worth_training
from trainer.lesson import learn
from trainer.memory import memory_now
from trainer.methods.annotation import MethodState
from trainer.observers import Observers
from trainer.publisher import WeightPublisher
from trainer.step_record import measured, opened_at, record_of
from trainer.stopwatch import Stopwatch
from trainer.store import Job, Store
from trainer.teacher_kl import TeacherKl
from trainer.update import Learner
from trainer.vigil import STOP_POLL_SECONDS, Vigil


class TrainingLoop:
    """Trains one job from its newest checkpoint to its last step, then keeps the engine on the last policy."""

    def __init__(
        self,
        job: Job,
        data_root: Path,
        store: Store,
        learner: Learner,
        collector: Collector,
        publisher: WeightPublisher,
        observers: Observers,
        vigil: Vigil,
        stopwatch: Stopwatch,
        teacher_kl: TeacherKl | None = None,
    ) -> None:
        self.job = job
        self.data_root = data_root
        self.store = store
        self.learner = learner
        self.collector = collector
        self.publisher = publisher
        self.observers = observers
        self.vigil = vigil
        self.stopwatch = stopwatch
        self.teacher_kl = teacher_kl
        self.method_state: MethodState = {}
        self.consumed: dict[int, list[str]] = {}  # by step, since the last checkpoint

    def run(self) -> None:
        """Ends by JobStopped (the job is over, or the trainer is to end) or JobFailure."""
        done = self.resume()
        for step in range(done + 1, self.job.spec.training.steps + 1):
            self.train(step)
        while True:
            self.vigil.pause(STOP_POLL_SECONDS)
            self.vigil.look()

    def resume(self) -> int:
        """Take up the newest checkpoint, or begin with the base student. Returns the step that it holds."""
        self.stopwatch.reset()
        found = checkpoint.newest(self.data_root, self.job.id, self.tell_damage)
        step = found.state.step if found else 0
        if found:
            self.learner.restore(found.weights, found.optimizer, found.random_state, found.state.updates)
            self.method_state = found.state.method_state
        if found or self.job.policy_version is not None:
            self.observers.tell(TrainerResumed(at=time.time(), step=step))
        self.collector.replay()
        self.collector.acknowledge(step)
        self.deliver(step, found.state.record if found else None, found.state.opened_at if found else 0.0)
        return step

    def train(self, step: int) -> None:
        """One step of the paper's algorithm."""
        self.stopwatch.reset()
        with self.stopwatch.measure("wait"):
            episodes = self.collector.collect(step)
        archive_batch(self.data_root, self.job.id, step, episodes)
        taught, skipped = self.choose(episodes)
        with self.stopwatch.measure("update"):
            lesson = learn(self.learner, self.job.spec.method, step, taught, self.method_state)
            self.method_state = lesson.annotation.state
        self.vigil.check()
        self.observers.step_credited(step, credits_of(lesson.batch, lesson.annotation))
        record, opened = record_of(lesson.batch, lesson.annotation, lesson.report, skipped), opened_at(episodes)
        if self.teacher_kl is not None:
            with self.stopwatch.measure("teacher_kl"):
                kl = self.teacher_kl.measure(lesson.batch.trajectories)
            record = record.model_copy(update={"teacher_kl": kl})
        self.consumed[step] = [episode.episode_id for episode in episodes]
        self.commit(step, record, opened)
        self.deliver(step, record, opened)

    def choose(self, episodes: list[Episode]) -> tuple[list[Episode], list[Episode]]:
        """(what is trained on, what dynamic sampling skips)."""
        rollout = self.job.spec.rollout
        if rollout.spare_prompts is None:
            return episodes, []
        return worth_training(episodes, rollout.prompts_per_step)

    def commit(self, step: int, record: StepRecord, opened: float) -> None:
        """Write a checkpoint when one is due; only then are its episodes acknowledged."""
        training = self.job.spec.training
        if step % training.checkpoint_every and step != training.steps:
            return
        with self.stopwatch.measure("checkpoint"):
            sha256 = checkpoint.save(self.data_root, self.snapshot(step, record, opened))
            self.observers.tell(CheckpointCommitted(at=time.time(), step=step, sha256=sha256))
        with self.stopwatch.measure("acknowledge"):
            self.collector.acknowledge(step)
            self.consumed = {}
        with self.stopwatch.measure("checkpoint"):
            self.prune()

    def snapshot(self, step: int, record: StepRecord, opened: float) -> Checkpoint:
        """All that the step leaves behind."""
        state = CheckpointState(
            job_id=self.job.id,
            step=step,
            updates=self.learner.optimizer.updates,
            consumed=self.consumed,
            method_state=self.method_state,
            record=measured(record, opened, time.time(), self.stopwatch.seconds, memory_now()),
            opened_at=opened,
        )
        return Checkpoint(state, *self.learner.state(), torch.get_rng_state())

    def prune(self) -> None:
        """Delete the checkpoints that no rule of the job keeps."""
        steps, accuracies = checkpoint_steps(self.data_root, self.job.id), self.store.accuracies(self.job.id)
        rules = kept_by(self.job.spec, steps, accuracies)
        checkpoint.prune(self.data_root, self.job.id, kept=[step for step in steps if rules[step]])

    def tell_damage(self, step: int, damage: str, used: int) -> None:
        """A checkpoint was passed over."""
        self.observers.tell(CheckpointDamaged(at=time.time(), step=step, detail=damage, used=used))

    def deliver(self, step: int, record: StepRecord | None, opened: float) -> None:
        """Publish the policy, then tell of the step.

        A replayed step whose successor was published before is passed over: the version that users see never goes back.
        """
        if step < (self.job.policy_version or 0):
            return
        self.vigil.check()
        with self.stopwatch.measure("publish"):
            self.publisher.publish(self.learner.policy, step)
        if record is not None:
            phases = record.phase_seconds | self.stopwatch.seconds
            self.observers.step_trained(measured(record, opened, time.time(), phases, memory_now()))
        self.store.set_policy_version(self.job, step)
