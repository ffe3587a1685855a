"""What the other processes of a crew do: whatever the leader says, until it says that all is done."""

import structlog
import torch
from contracts.jobs import JobSpec

from trainer import lesson
from trainer.crew import Command, Crew, End, Learn, Prepare, Restore, Score, State, Weights
from trainer.failures import JobFailure, RankBroken
from trainer.settings import TrainerSettings
from trainer.store import Store, connect
from trainer.update import Learner

log = structlog.get_logger()


class Follower:
    """One process of the crew, with its share of the student. Of Redis it knows only how to tell why it breaks."""

    def __init__(self, settings: TrainerSettings, crew: Crew) -> None:
        self.settings = settings
        self.crew = crew
        self.learner: Learner | None = None
        self.spec: JobSpec | None = None

    def follow(self) -> None:
        """Until the leader ends. Raises RankLost when it is gone."""
        while not isinstance(command := self.crew.listen(), End):
            try:
                self.obey(command)
            except RankBroken as broken:
                self.tell_job(broken.failure)
                raise
            except JobFailure as failure:  # every process has the same one: the leader tells the job
                log.warning("job_failed", rank=self.crew.rank, code=failure.code, detail=failure.detail)
        self.crew.meet()

    def tell_job(self, failure: JobFailure) -> None:
        """The leader waits for this process and cannot know why it ends."""
        log.error("job_failed", rank=self.crew.rank, code=failure.code, detail=failure.detail)
        store = Store(connect(self.settings.redis_url))
        job_id = store.running_job()
        if job_id is not None:
            store.fail(job_id, failure.as_problem())

    def obey(self, command: Command) -> None:
        """Do the part of this process."""
        if isinstance(command, Prepare):
            self.learner = None
            self.spec = JobSpec.model_validate_json(command.spec)
            self.learner = lesson.prepare(self.spec, self.settings.model_roots, self.crew)
        if self.learner is None or self.spec is None:
            return
        match command:
            case Restore(updates):
                self.learner.restore({}, {}, torch.get_rng_state(), updates)
            case Learn(step, episodes, state):
                lesson.learn(self.learner, self.spec.method, step, episodes, state)
            case State():
                self.learner.state()
            case Weights():
                self.learner.policy.weights()
            case Score(token_ids):
                self.learner.policy.prompt_logprobs(token_ids)
