"""The plan of a stack is data: these tests read it as an operator would."""

import json
import sys
from pathlib import Path

import pytest
from socratic.stack.plan import StackRequest, plan_stack, process_names
from socratic.stack.ports import draw_ports


def request(**members: object) -> StackRequest:
    defaults = {"home": "/home/.socratic", "working_directory": "/home/repo", "student": "/students/base"}
    return StackRequest.model_validate(defaults | {"redis_executable": "/bin/redis-server"} | members)


def planned(asked: StackRequest) -> dict[str, object]:
    ports = {name: 5000 + index for index, name in enumerate(process_names(asked))}
    return {plan.name: plan for plan in plan_stack(asked, ports)}


def test_every_service_is_planned_with_as_many_workers_as_asked() -> None:
    assert list(planned(request(workers=2))) == [
        "redis",
        "tutor",
        "teacher-gateway",
        "student-inference",
        "trainer",
        "orchestrator",
        "rollout-worker-1",
        "rollout-worker-2",
    ]


def test_neighbours_are_told_each_others_addresses() -> None:
    plans = planned(request())
    assert json.loads(plans["orchestrator"].environment["ORCHESTRATOR_STUDENT_URLS"]) == [
        plans["student-inference"].url
    ]
    assert plans["orchestrator"].environment["ORCHESTRATOR_GATEWAY_URL"] == plans["teacher-gateway"].url
    assert plans["teacher-gateway"].environment["TEACHER_GATEWAY_TUTOR_URL"] == plans["tutor"].url
    assert json.loads(plans["trainer"].environment["TRAINER_STUDENT_URLS"]) == [plans["student-inference"].url]
    for name in ("orchestrator", "rollout-worker-1"):
        assert plans[name].environment["ORCHESTRATOR_REDIS_URL"] == plans["redis"].url
    assert plans["trainer"].environment["TRAINER_REDIS_URL"] == plans["redis"].url


def test_every_replica_of_the_engine_is_told_to_trainer_and_workers() -> None:
    plans = planned(request(engines=3))
    names = ["student-inference", "student-inference-2", "student-inference-3"]
    urls = [plans[name].url for name in names]
    assert len(set(urls)) == 3
    assert json.loads(plans["trainer"].environment["TRAINER_STUDENT_URLS"]) == urls
    for name in ("orchestrator", "rollout-worker-1"):
        assert json.loads(plans[name].environment["ORCHESTRATOR_STUDENT_URLS"]) == urls


def test_a_local_teacher_is_an_engine_of_its_own_that_the_gateway_alone_knows() -> None:
    plans = planned(request(local_teacher="/teachers/wise", engines=2))
    engine = plans["local-teacher"]
    assert engine.environment["STUDENT_INFERENCE_MODEL_PATH"] == "/teachers/wise"
    assert plans["teacher-gateway"].environment["TEACHER_GATEWAY_LOCAL_TEACHER_URL"] == engine.url
    assert len(json.loads(plans["trainer"].environment["TRAINER_STUDENT_URLS"])) == 2
    assert engine.url not in plans["trainer"].environment["TRAINER_STUDENT_URLS"]
    assert "TEACHER_GATEWAY_LOCAL_TEACHER_URL" not in planned(request())["teacher-gateway"].environment


def test_services_listen_on_loopback_on_their_own_ports_with_one_thread_each() -> None:
    plans = planned(request(workers=2))
    services = [plan for name, plan in plans.items() if name != "redis"]
    ports = set()
    for plan in services:
        assert plan.environment["OMP_NUM_THREADS"] == "1"
        assert plan.command[:3] == (sys.executable, "-P", "-m")
        assert [value for name, value in plan.environment.items() if name.endswith("_HOST")] == ["127.0.0.1"]
        ports |= {value for name, value in plan.environment.items() if name.endswith("_PORT")}
    assert len(ports) == len(services)


def test_task_data_may_lie_in_the_working_directory_or_in_shared_beside_it() -> None:
    environment = planned(request())["orchestrator"].environment
    assert json.loads(environment["ORCHESTRATOR_DATA_ROOTS"]) == ["/home/repo", "/home/shared"]


def test_students_may_lie_in_the_working_directory_and_where_the_given_one_lies() -> None:
    plans = planned(request())
    roots = ["/home/repo", "/students", "/home/.socratic/data"]
    for name, setting in (
        ("orchestrator", "ORCHESTRATOR_MODEL_ROOTS"),
        ("trainer", "TRAINER_MODEL_ROOTS"),
        ("student-inference", "STUDENT_INFERENCE_ALLOWED_ROOTS"),
    ):
        assert json.loads(plans[name].environment[setting]) == roots


def test_our_redis_keeps_every_write_and_stays_on_loopback() -> None:
    command = " ".join(planned(request())["redis"].command)
    assert "--appendonly yes" in command
    assert "--bind 127.0.0.1" in command
    assert "--dir /home/.socratic/redis" in command


def test_a_redis_that_already_runs_is_used_and_none_is_started() -> None:
    plans = planned(request(redis_url="redis://elsewhere:6379/3"))
    assert "redis" not in plans
    assert plans["trainer"].environment["TRAINER_REDIS_URL"] == "redis://elsewhere:6379/3"


def test_ports_differ_and_a_given_one_is_kept() -> None:
    ports = draw_ports(["a", "b", "c"], {"b": 4321})
    assert ports["b"] == 4321
    assert len(set(ports.values())) == 3


@pytest.mark.parametrize("workers", [0, 65])
def test_a_stack_has_between_one_and_64_workers(workers: int) -> None:
    with pytest.raises(ValueError, match="workers"):
        request(workers=workers)


def test_the_request_survives_the_way_to_the_supervisor() -> None:
    asked = request(port=8000, redis_url="redis://x/0")
    assert StackRequest.model_validate_json(asked.model_dump_json()) == asked
    assert asked.data_root == Path("/home/.socratic/data")
