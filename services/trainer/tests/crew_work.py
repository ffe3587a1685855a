"""What the processes of a crew do in tests: train a few steps, from a checkpoint or not, and leave one behind."""

import dataclasses
import json
from pathlib import Path

import torch
from contracts.jobs import JobSpec
from contracts.policies import job_directory
from trainer import checkpoint
from trainer.checkpoint import Checkpoint, CheckpointState
from trainer.crew import Crew, join_crew
from trainer.followers import Follower
from trainer.launch import Launch
from trainer.lesson import Lesson, learn, prepare
from trainer.settings import TrainerSettings
from trainer.step_record import record_of
from trainer.update import Learner

from .makers import JOB, episodes_of_step, single_attempts
from .rig import WAIT_SECONDS, free_port, processes

REPORTS = "reports.json"
Reports = dict[str, list[dict[str, float]]]  # by job, then by step


def train_on(size: int, student: Path, jobs: dict[str, JobSpec], data_root: Path, steps: range) -> Reports:
    """The reports of these steps, job after job, learned by so many processes. Checkpoints lie below `data_root`."""
    port, specs = free_port(), {name: spec.model_dump_json() for name, spec in jobs.items()}
    crew = [
        processes.Process(target=work, args=(rank, size, port, student, specs, data_root, steps))
        for rank in range(size)
    ]
    for process in crew:
        process.start()
    for process in crew:
        process.join(WAIT_SECONDS)
    assert [process.exitcode for process in crew] == [0] * size
    reports: Reports = json.loads((data_root / REPORTS).read_text())
    return reports


def work(rank: int, size: int, port: int, student: Path, specs: dict[str, str], data_root: Path, steps: range) -> None:
    """One process."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    launch = Launch(rank=rank, local_rank=rank, world_size=size, master_addr="127.0.0.1", master_port=port)
    crew = join_crew(launch, "cpu", WAIT_SECONDS)
    if not crew.leads:
        Follower(TrainerSettings(model_roots=[student.parent]), crew).follow()
        return
    reports = {}
    for name, spec in specs.items():
        lessons = lead(crew, student, JobSpec.model_validate_json(spec), data_root / name, steps)
        reports[name] = [dataclasses.asdict(lesson.report) for lesson in lessons]
    (data_root / REPORTS).write_text(json.dumps(reports))
    crew.dismiss()


def lead(crew: Crew, student: Path, spec: JobSpec, data_root: Path, steps: range) -> list[Lesson]:
    """One job of process 0."""
    learner = prepare(spec, [student.parent], crew)
    found = checkpoint.newest(data_root, JOB)
    if found is not None:
        learner.restore(found.weights, found.optimizer, found.random_state, found.state.updates)
    lessons = []
    for step in steps:
        episodes = single_attempts(step) if spec.rollout.max_attempts == 1 else episodes_of_step(step)
        lessons.append(learn(learner, spec.method, step, episodes, {}))
    keep(learner, lessons[-1], steps[-1], data_root)
    assert len(learner.policy.prompt_logprobs([1, 2, 3])) == 2
    return lessons


def keep(learner: Learner, lesson: Lesson, step: int, data_root: Path) -> None:
    """The checkpoint, and the published weights beside it."""
    state = CheckpointState(
        job_id=JOB,
        step=step,
        updates=learner.optimizer.updates,
        consumed={},
        record=record_of(lesson.batch, lesson.annotation, lesson.report),
        opened_at=1.0,
    )
    checkpoint.save(data_root, Checkpoint(state, *learner.state(), torch.get_rng_state()))
    torch.save(learner.policy.weights(), job_directory(data_root, JOB) / "published.pt")
