"""A study as data: what is asked, which jobs answer it, in which order they run."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from contracts.clones import merge_patch
from contracts.jobs import JobSpec
from contracts.spec import Spec
from pydantic import Field, model_validator

NAME = r"^[a-z0-9][a-z0-9_.-]*$"
Patch = dict[str, Any]


class ModelPlan(Spec):
    """A base student or a teacher: a directory, and how it is made where it is not there yet."""

    model: str = Field(description="Hugging Face model directory, relative to the repository's root.")
    make: tuple[str, ...] = Field(
        (), description="Arguments of `socratic student make-base` that write it (`--out` is added); none: it ships."
    )


class Arm(Spec):
    """One way of training, as what differs from the common job."""

    label: str = Field(description="For tables and plots.")
    job: Patch = Field({}, description="JSON merge patch of the job.")
    rate_of: str | None = Field(
        None, description="Whose searched learning rate it takes: an arm of the search; default: its own name."
    )


class Experiment(Spec):
    """A question, what is expected, and the cells that answer it."""

    name: str = Field(pattern=NAME)
    priority: int = Field(ge=0, description="Lower ones run first.")
    question: str
    hypothesis: str = Field(description="Written down before the first run.")
    compare_with: str | None = Field(None, description="The arm from which the others' differences are taken.")
    arms: dict[str, Arm] = Field(min_length=1)
    students: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    more_seeds: tuple[int, ...] = Field((), description="Further ones, which run at more_priority.")
    more_priority: int = Field(0, ge=0, description="Of more_seeds: other questions may come between.")
    job: Patch = Field({}, description="JSON merge patch of the common job, before the arm's.")
    local_teacher: str | None = Field(
        None, description="One of `teachers`, which a second engine serves: what jobs call the teacher `local`."
    )
    learning_rates: tuple[float, ...] = Field((), description="Of a search: every arm runs at each of them.")
    rates_from: str | None = Field(None, description="The search whose chosen learning rates the arms take.")
    needs: tuple[str, ...] = Field((), description="Paths without which it is skipped, with a message.")

    @model_validator(mode="after")
    def consistent(self) -> Self:
        """A search fixes its rates itself; the arm of comparison exists."""
        if self.learning_rates and self.rates_from:
            raise ValueError("an experiment has learning_rates or rates_from, not both")
        if self.compare_with is not None and self.compare_with not in self.arms:
            raise ValueError(f"compare_with {self.compare_with} is no arm; arms: {', '.join(self.arms)}")
        return self


class Plan(Spec):
    """A whole study."""

    version: int = Field(1, ge=1, le=1)
    name: str = Field(pattern=NAME)
    job: Patch = Field(description="What all jobs have in common; student, seed and name are filled in.")
    students: dict[str, ModelPlan] = Field(min_length=1)
    teachers: dict[str, ModelPlan] = Field({}, description="Models that a second engine may serve.")
    experiments: tuple[Experiment, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def references_exist(self) -> Self:
        """Students and searches by name."""
        searches = {each.name: each for each in self.experiments if each.learning_rates}
        for experiment in self.experiments:
            unknown = set(experiment.students) - set(self.students)
            if unknown:
                raise ValueError(f"experiment {experiment.name}: no students {sorted(unknown)}")
            if experiment.local_teacher not in {None, *self.teachers}:
                raise ValueError(
                    f"experiment {experiment.name}: local_teacher {experiment.local_teacher} is no teacher"
                )
            check_rates(experiment, searches)
        if len({each.name for each in self.experiments}) < len(self.experiments):
            raise ValueError("two experiments have the same name")
        return self

    def experiment(self, name: str) -> Experiment:
        """Raises KeyError."""
        return {each.name: each for each in self.experiments}[name]


def check_rates(experiment: Experiment, searches: Mapping[str, Experiment]) -> None:
    """Every arm finds its learning rate in the search. Raises ValueError."""
    if experiment.rates_from is None:
        return
    if experiment.rates_from not in searches:
        raise ValueError(f"experiment {experiment.name}: rates_from {experiment.rates_from} is no search")
    searched = searches[experiment.rates_from].arms
    for name, arm in experiment.arms.items():
        if (arm.rate_of or name) not in searched:
            raise ValueError(
                f"experiment {experiment.name}, arm {name}: {experiment.rates_from} has no such arm; set rate_of"
            )


@dataclass(frozen=True)
class Cell:
    """One job of the study. `awaits` names the search that must end before its learning rate is known."""

    plan: str
    experiment: str
    arm: str
    student: str
    seed: int
    job: JobSpec
    fingerprint: str
    awaits: str | None = None
    local_teacher: str | None = None

    @property
    def id(self) -> str:
        return f"{self.experiment}/{self.arm}/{self.student}/seed-{self.seed}"


Rates = Mapping[str, Mapping[str, float]]


def cells(plan: Plan, rates: Rates) -> list[Cell]:
    """All cells in the order in which they run; `rates` are the chosen ones by search and arm.

    By priority; among equals the first seed of every experiment, arm and student, then the second, and so on, so that
    an unfinished study has compared all arms on few seeds. Raises pydantic.ValidationError where a job is none.
    """
    ordered = sorted(rounds(plan), key=lambda each: each[:2])
    return [cell for _, _, experiment, seed in ordered for cell in cells_of(plan, experiment, seed, rates)]


def rounds(plan: Plan) -> Iterator[tuple[int, int, Experiment, int]]:
    """(priority, place of the seed, experiment, seed)."""
    for experiment in plan.experiments:
        for place, seed in enumerate(experiment.seeds + experiment.more_seeds):
            late = place >= len(experiment.seeds)
            yield experiment.more_priority if late else experiment.priority, place, experiment, seed


def cells_of(plan: Plan, experiment: Experiment, seed: int, rates: Rates) -> Iterator[Cell]:
    """The cells of one experiment and seed."""
    for student in experiment.students:
        for arm in experiment.arms:
            if not experiment.learning_rates:
                yield cell_of(plan, experiment, (arm, arm), student, seed, chosen_rate(experiment, arm, rates))
            for rate in experiment.learning_rates:
                yield cell_of(plan, experiment, (arm, rate_arm(arm, rate)), student, seed, rate)


def rate_arm(arm: str, rate: float) -> str:
    """Name of an arm at a searched learning rate: `grpo@0.0004`."""
    return f"{arm}@{rate:g}"


def chosen_rate(experiment: Experiment, arm: str, rates: Rates) -> float | None:
    """None where no search has chosen one (yet)."""
    if experiment.rates_from is None:
        return None
    return rates.get(experiment.rates_from, {}).get(experiment.arms[arm].rate_of or arm)


def cell_of(
    plan: Plan, experiment: Experiment, arm: tuple[str, str], student: str, seed: int, rate: float | None
) -> Cell:
    """`arm` is its name in the plan and in the cell."""
    named, shown = arm
    recipe = plan.students[student]
    own = {
        "name": f"{experiment.name}-{shown}-{student}-{seed}"[:80],
        "seed": seed,
        "student": {"model": recipe.model},
        "training": {} if rate is None else {"learning_rate": rate},
    }
    content: Patch = {}
    for patch in (plan.job, experiment.job, experiment.arms[named].job, own):
        content = merge_patch(content, patch)
    job = JobSpec.model_validate(content)
    awaits = experiment.rates_from if rate is None else None
    local = experiment.local_teacher
    models = [recipe] if local is None else [recipe, plan.teachers[local]]
    return Cell(plan.name, experiment.name, shown, student, seed, job, fingerprint(job, models), awaits, local)


def fingerprint(job: JobSpec, models: Sequence[ModelPlan]) -> str:
    """Equal for equal work: what the plan says of the job and of its models, but not what the job is called.

    Settings left to their defaults do not count, so that a new setting of the job format changes nothing.
    """
    content = job.model_dump(mode="json", exclude_unset=True, exclude={"name", "priority"})
    made = [model.model_dump(mode="json") for model in models]
    return hashlib.sha256(json.dumps([content, *made], sort_keys=True).encode()).hexdigest()
