"""The job specification: defaults, round trip, and bad input that names its field."""

import typing
from typing import Any

import pytest
from contracts.clones import merge_patch
from contracts.guidance import GuidanceRequest, GuidanceResponse
from contracts.jobs import JobSpec
from pydantic import BaseModel, ValidationError

MINIMAL: dict[str, Any] = {
    "name": "first",
    "student": {"model": "models/materials-base"},
    "task": {"name": "materials"},
    "training": {"steps": 3},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The minimal job with one field set."""
    job = {part: dict(inner) if isinstance(inner, dict) else inner for part, inner in MINIMAL.items()}
    *parents, leaf = path.split(".")
    target = job
    for parent in parents:
        target = target.setdefault(parent, {})
    target[leaf] = value
    return job


def test_four_fields_make_a_job() -> None:
    job = JobSpec.model_validate(MINIMAL)
    assert (job.method.name, job.teacher.provider, job.rollout.max_attempts) == ("socratic_po", "retry", 2)
    assert job.episodes_per_step == job.rollout.prompts_per_step * job.rollout.group_size == 24 * 8


@pytest.mark.parametrize(
    "job",
    [
        MINIMAL,
        changed("method", {"name": "socratic_po", "decay": "none", "guidance": False, "normalisation": "token"}),
        changed("method", {"name": "reinforce_pp"}) | {"rollout": {"max_attempts": 1}},
        changed("method", {"name": "socratic_po", "decay": "geometric", "gamma": 0.5}),
        changed("method", {"name": "grpo", "scale": "none"}) | {"rollout": {"max_attempts": 1, "group_size": 2}},
        changed("method", {"name": "rloo"}) | {"rollout": {"max_attempts": 1}},
        changed("teacher", {"provider": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1", "model": "qwen"}),
        changed("teacher", {"name": "frontier"}),
        changed("task.options", {"path": "data", "nested": {"list": [1, None, "x"]}}),
        changed("training.learning_rate", "4e-4"),  # YAML 1.1 reads 4e-4 as a string
    ],
)
def test_a_job_survives_json(job: dict[str, Any]) -> None:
    spec = JobSpec.model_validate(job)
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("name", ""),
        ("name", "x" * 81),
        ("seed", -1),
        ("seed", 2**31),
        ("surprise", 1),
        ("student.model", None),
        ("student.revision", "main"),
        ("task.name", 7),
        ("task.options", ["path"]),
        ("teacher.provider", "oracle"),
        ("teacher.base_url", "ftp://host/v1"),
        ("teacher.temperature", 2.1),
        ("teacher.timeout_seconds", 0),
        ("teacher.timeout_seconds", float("inf")),
        ("teacher.max_guidance_tokens", 0),
        ("teacher.view", "everything"),
        ("teacher.prompt", "Tell $secret."),
        ("rollout.max_attempts", 0),
        ("rollout.max_attempts", -2),
        ("rollout.max_attempts", 1.5),
        ("rollout.prompts_per_step", 0),
        ("rollout.group_size", "many"),
        ("rollout.temperature", 0),
        ("rollout.temperature", float("nan")),
        ("rollout.max_staleness", -1),
        ("rollout.max_answer_tokens", 0),
        ("rollout.max_answer_tokens", 131_073),
        ("training.steps", -1),
        ("training.learning_rate", 0),
        ("training.learning_rate", float("nan")),
        ("training.weight_decay", float("nan")),
        ("training.weight_decay", float("inf")),
        ("training.kl_coefficient", float("inf")),
        ("training.clip_low", 1),
        ("training.minibatches", 0),
        ("training.checkpoint_every", 0),
        ("training.momentum", 0.9),
        ("evaluation.every", 0),
        ("evaluation.questions", 0),
        ("evaluation.samples", 257),
    ],
)
def test_bad_input_names_its_field(path: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate(changed(path, value))
    assert [".".join(map(str, item["loc"])) for item in caught.value.errors()] == [path]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("training.betas", [0.9], "training.betas.1"),
        ("training.betas", [0.9, 1.0], "training.betas.1"),
        ("method", {"name": "ppo"}, "method"),
        ("method", {}, "method"),
        ("method", {"name": "socratic_po", "decay": "linear"}, "method.socratic_po.decay"),
        ("method", {"name": "reinforce_pp", "guidance": True}, "method.reinforce_pp.guidance"),
        ("method", {"name": "socratic_po", "decay": "geometric", "gamma": 1.1}, "method.socratic_po.gamma"),
        ("method", {"name": "socratic_po", "decay": "floor", "floor": float("nan")}, "method.socratic_po.floor"),
        ("method", {"name": "socratic_po", "decay": "ema", "ema_rate": 0}, "method.socratic_po.ema_rate"),
        ("method", {"name": "grpo", "scale": "token"}, "method.grpo.scale"),
        ("method", {"name": "rloo", "kl_in_reward": -0.1}, "method.rloo.kl_in_reward"),
    ],
)
def test_bad_input_inside_a_choice_names_its_field(path: str, value: Any, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate(changed(path, value))
    assert [".".join(map(str, item["loc"])) for item in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("job", "field", "fix"),
    [
        (changed("teacher", {"provider": "openai_compatible"}), "teacher", "add both"),
        (changed("teacher", {"provider": "openai_compatible", "model": "qwen"}), "teacher", "add both"),
        (changed("teacher", {"provider": "tutor", "model": "qwen"}), "teacher", "remove them"),
        (changed("teacher", {"provider": "retry", "base_url": "http://host/v1"}), "teacher", "remove them"),
        (changed("teacher", {"provider": "retry", "tutor": {"style": "vague"}}), "teacher", "remove it"),
        (changed("teacher", {"provider": "tutor", "tutor": {"style": "answer"}}), "teacher", "ground_truth true"),
        (changed("method", {"name": "reinforce_pp"}), "", "set rollout.max_attempts to 1"),
        (
            changed("method", {"name": "grpo"}) | {"rollout": {"max_attempts": 1, "group_size": 1}},
            "",
            "set rollout.group_size to 2 or more",
        ),
        (
            changed("method", {"name": "grpo", "aggregation": "constant"}) | {"rollout": {"max_attempts": 1}},
            "method.grpo",
            "aggregation constant needs constant_tokens",
        ),
        (
            changed("method", {"name": "socratic_po", "decay": "geometric"}),
            "method.socratic_po",
            "decay geometric needs gamma; add it",
        ),
        (
            changed("method", {"name": "socratic_po", "floor": 0.1}),
            "method.socratic_po",
            "floor belongs to decay floor, not to batch_mean; remove it",
        ),
    ],
)
def test_fields_that_contradict_each_other_name_the_fix(job: dict[str, Any], field: str, fix: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate(job)
    (item,) = caught.value.errors()
    assert ".".join(map(str, item["loc"])) == field
    assert fix in item["msg"]


@pytest.mark.parametrize(
    ("largest", "more", "fix"),
    [
        ({"rollout": {"prompts_per_step": 1024, "group_size": 128}}, {"rollout": {"group_size": 129}}, "group_size"),
        ({"rollout": {"prompts_per_step": 1024, "group_size": 128}}, {"rollout": {"spare_prompts": 1}}, "group_size"),
        ({"evaluation": {"questions": 131_072}}, {"evaluation": {"questions": 131_073}}, "evaluation.questions"),
        (
            {"evaluation": {"questions": 512, "samples": 256, "temperature": 1.0}},
            {"evaluation": {"greedy": True}},
            "evaluation.samples",
        ),
    ],
)
def test_what_is_held_in_memory_as_a_whole_is_bounded(largest: Any, more: Any, fix: str) -> None:
    JobSpec.model_validate(MINIMAL | largest)
    with pytest.raises(ValidationError, match="at most 131072 episodes; lower") as caught:
        JobSpec.model_validate(merge_patch(MINIMAL | largest, more))
    assert fix in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize("missing", list(MINIMAL))
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobSpec.model_validate({name: value for name, value in MINIMAL.items() if name != missing})
    assert [(item["loc"], item["type"]) for item in caught.value.errors()] == [((missing,), "missing")]


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Every pydantic model that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in typing.get_args(annotation) for model in models_in(part)}


def specs() -> set[type[BaseModel]]:
    found, frontier = {JobSpec}, [JobSpec]
    while frontier:
        inner = {model for field in frontier.pop().model_fields.values() for model in models_in(field.annotation)}
        frontier += inner - found
        found |= inner
    return found


@pytest.mark.parametrize(
    "model", sorted([*specs(), GuidanceRequest, GuidanceResponse], key=lambda model: model.__name__)
)
def test_every_part_is_closed_and_frozen(model: type[BaseModel]) -> None:
    assert (model.model_config["extra"], model.model_config["frozen"]) == ("forbid", True)


@pytest.mark.parametrize("model", sorted(specs(), key=lambda model: model.__name__))
def test_every_leaf_is_explained(model: type[BaseModel]) -> None:
    """All but the names that tell the members of a choice apart: they have one value."""
    leaves = {name: field for name, field in model.model_fields.items() if not models_in(field.annotation)}
    silent = [field for field in leaves.values() if field.description is None]
    assert all(len(typing.get_args(field.annotation)) == 1 for field in silent)
