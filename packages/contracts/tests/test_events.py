"""Events and records as JSON."""

import typing
from typing import Any

import pytest
from contracts import events
from contracts.events import AnyEvent, Event, decode_event, encode_event
from contracts.records import EvaluationRecord, JsonRecord, StepRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

CLASSES: tuple[type[Event], ...] = typing.get_args(typing.get_args(AnyEvent)[0])


def test_every_event_is_in_the_union_under_a_name_of_its_own() -> None:
    assert set(CLASSES) == set(Event.__subclasses__())
    names = [kind.model_fields["type"].default for kind in CLASSES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_event_survives_the_stream(kind: type[Event]) -> None:
    @settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.builds(kind))
    def survives(event: Event) -> None:
        decoded = decode_event(encode_event(event))
        assert type(decoded) is kind
        # Compared as JSON: NaN, which a diverged run reports, equals nothing.
        assert encode_event(decoded) == encode_event(event)

    survives()


@pytest.mark.parametrize("kind", [StepRecord, EvaluationRecord])
def test_a_record_survives_the_store(kind: type[JsonRecord]) -> None:
    @settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.builds(kind))
    def survives(record: JsonRecord) -> None:
        stored = record.model_dump_json()
        assert kind.model_validate_json(stored).model_dump_json() == stored

    survives()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{}",
        '{"type": "job.exploded", "at": 1}',
        '{"type": "job.created", "at": 1, "name": "x", "surprise": 1}',
        '{"type": "job.created", "at": 1}',
        '{"type": "job.status", "at": 1, "status": "happy"}',
    ],
)
def test_what_is_no_event_is_refused(data: str) -> None:
    with pytest.raises(ValidationError):
        decode_event(data)


def test_events_never_change() -> None:
    event: Any = events.JobCreated(at=1.0, name="x")
    with pytest.raises(ValidationError, match="frozen"):
        event.name = "y"
