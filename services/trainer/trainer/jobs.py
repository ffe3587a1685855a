"""The long-lived trainer: takes up whatever job is running, and outlives jobs and Redis outages."""

import errno
import threading
from contextlib import closing
from functools import partial

import msgspec
import redis
import structlog
from contracts.policies import job_directory
from contracts.transitions import PauseReason
from pydantic import ValidationError
from servicekit.logs import Bound

from trainer.archive import StepLog
from trainer.canary import TOLERANCES
from trainer.collector import Collector
from trainer.crew import Crew
from trainer.discards import Discards
from trainer.engine import Engine
from trainer.failures import JobFailure, JobStopped, RankBroken
from trainer.heartbeat import Presence
from trainer.lesson import prepare
from trainer.locks import DirectoryBusy, sole_trainer
from trainer.loop import TrainingLoop
from trainer.meters import Meters
from trainer.observers import Observers, StepWriter
from trainer.patrol import Patrol
from trainer.publisher import WeightPublisher
from trainer.rotation import Rotation
from trainer.settings import TrainerSettings
from trainer.stopwatch import Stopwatch
from trainer.store import Job, Store
from trainer.students import find_student
from trainer.swapper import Swapper, SwapRules
from trainer.teacher_kl import TeacherKl
from trainer.tensorboard_log import TensorBoardLog
from trainer.vigil import Vigil
from trainer.weight_routes import WeightRoute
from trainer.weight_routes.broadcast import Broadcast
from trainer.weight_routes.shared_directory import SharedDirectory
from trainer.weight_routes.upload import Upload

POLL_SECONDS = 0.2
# A supervisor has Redis back within a second or two; asking more often only fills the log.
TROUBLE_PAUSE_SECONDS = 1.0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
log = structlog.get_logger()


class Trainer:
    """`trouble` says why no job can be worked on, for /readyz."""

    def __init__(
        self,
        settings: TrainerSettings,
        crew: Crew,
        store: Store,
        meters: Meters,
        presence: Presence,
        stopwatch: Stopwatch,
        stopping: threading.Event,
    ) -> None:
        self.settings = settings
        self.crew = crew
        self.store = store
        self.meters = meters
        self.presence = presence
        self.stopwatch = stopwatch
        self.stopping = stopping
        self.trouble: str | None = "starting"
        self.discards = Discards(store, settings.data_root)
        keys = settings.student_api_key, settings.student_admin_key
        self.engines = [Engine(url, *keys) for url in settings.student_urls]

    def run(self) -> None:
        """Until `stopping` is set. A job interrupted by a lost Redis is taken up again from its checkpoint."""
        while not self.stopping.is_set():
            try:
                job_id = self.store.running_job()
                self.trouble = None
                self.discards.look()
                if job_id is not None:
                    with Bound(job_id=job_id):
                        self.work_on(job_id)
            except redis.RedisError as error:
                self.trouble = f"Redis: {error}"
                log.error("redis_lost", error=str(error), next="the job goes on from its checkpoint")
                self.stopping.wait(TROUBLE_PAUSE_SECONDS)
            except DirectoryBusy as error:
                self.trouble = str(error)
                log.warning("directory_busy", error=str(error))
                self.stopping.wait(TROUBLE_PAUSE_SECONDS)
            self.stopping.wait(POLL_SECONDS)

    def work_on(self, job_id: str) -> None:
        """Until the job is over. Every way in which it can fail has a name that the job shows."""
        try:
            self.presence.show(job_id)
            with sole_trainer(job_directory(self.settings.data_root, job_id)):
                job = self.store.job(job_id)
                vigil = Vigil(self.store, job, self.stopping)
                observers = Observers(self.store, job.id, self.meters, self.step_writers(job.id))
                with closing(self.publisher(job, observers, vigil)) as publisher:
                    publisher.swapper.wake()
                    self.prepare(job, observers, vigil, publisher).run()
        except JobStopped as stop:
            log.info("job_left", reason=str(stop))
        except JobFailure as failure:
            self.fail(job_id, failure)
        except RankBroken as broken:
            self.fail(job_id, broken.failure)
            raise
        except (ValidationError, msgspec.MsgspecError) as error:
            detail = f"a manifest or a replica's standing is not of this version; run one release everywhere: {error}"
            self.fail(job_id, JobFailure("contract_mismatch", detail))
        except OSError as error:
            self.give_up_writing(job_id, error)
        finally:
            self.presence.show(None)

    def give_up_writing(self, job_id: str, error: OSError) -> None:
        """Storage can be mended, and then the job goes on from its checkpoint: so it is paused, not failed."""
        full = error.errno in FULL
        reason: PauseReason = "disk_full" if full else "storage_failed"
        fix = "free space" if full else "mend the trainer's data directory"
        log.error(reason, error=str(error))
        self.store.pause(job_id, reason, f"{error}; {fix}, then resume the job")

    def fail(self, job_id: str, failure: JobFailure) -> None:
        """The last checkpoint stays."""
        log.error("job_failed", code=failure.code, detail=failure.detail)
        self.store.fail(job_id, failure.as_problem())

    def step_writers(self, job_id: str) -> list[StepWriter]:
        """What keeps step records beside Redis."""
        log = StepLog(self.settings.data_root, job_id)
        return [log, TensorBoardLog(self.settings.data_root, job_id)] if self.settings.tensorboard else [log]

    def prepare(self, job: Job, observers: Observers, vigil: Vigil, publisher: WeightPublisher) -> TrainingLoop:
        """Wire the parts of one job together."""
        learner = prepare(job.spec, self.settings.model_roots, self.crew, partial(vigil.measure, self.stopwatch))
        self.meters.staleness_bound.set(job.spec.rollout.max_staleness)
        vigil.also = [Patrol(publisher.swapper).look, partial(self.discards.look, held=job.id)]
        wanted = job.spec.training.teacher_kl
        return TrainingLoop(
            job=job,
            data_root=self.settings.data_root,
            store=self.store,
            learner=learner,
            collector=Collector(self.store, job.id, learner.policy.vocab_size, vigil.look),
            publisher=publisher,
            observers=observers,
            vigil=vigil,
            stopwatch=self.stopwatch,
            teacher_kl=TeacherKl(self.settings.gateway_url, wanted) if wanted else None,
        )

    def publisher(self, job: Job, observers: Observers, vigil: Vigil) -> WeightPublisher:
        """The way from a policy to every engine, as the settings say."""
        urls = [engine.url for engine in self.engines]
        rotation = Rotation(urls, partial(self.store.set_standing, job.id), self.store.rotation(job.id, urls))
        swapper = Swapper(
            engines=self.engines,
            route=route_of(self.settings),
            rotation=rotation,
            tell=observers.tell,
            pause=vigil.pause,
            rules=rules_of(self.settings, job.spec.training.precision),
        )
        base = find_student(job.spec.student.model, self.settings.model_roots)
        return WeightPublisher(swapper, self.settings.data_root, job.id, base)


def rules_of(settings: TrainerSettings, precision: str) -> SwapRules:
    """What becomes of a swap that fails, and how near an engine must come to the trainer."""
    return SwapRules(settings.swap_failure, settings.canary_tolerance or TOLERANCES[precision])


def route_of(settings: TrainerSettings) -> WeightRoute:
    """How weights travel."""
    if settings.weight_route == "broadcast":
        return Broadcast(settings.broadcast_address, settings.broadcast_backend)
    return Upload() if settings.weight_route == "upload" else SharedDirectory()
