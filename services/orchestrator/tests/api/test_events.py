"""Events as pages and as a stream that can be resumed."""

import json
import threading

import pytest
from contracts import keys
from contracts.events import TrainerResumed, encode_event


@pytest.fixture
def job_id(api, job_body, eventually):
    made = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: len(api.get(f"/v1/jobs/{made}/events").json()["data"]) == 2)
    return made


def read(api, path, stop=lambda event: False, **options):
    """Server-sent events as (id, name, data) until the stream ends or `stop` holds."""
    found, fields = [], {}
    with api.stream("GET", path, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif fields:
                found.append((fields.get("id"), fields.get("event"), json.loads(fields["data"])))
                fields = {}
                if stop(found[-1]):
                    break
    return found


def test_pages_have_increasing_ids_and_cursors(api, job_id):
    page = api.get(f"/v1/jobs/{job_id}/events", params={"limit": 1}).json()
    assert (page["data"][0]["type"], page["has_more"]) == ("job.created", True)
    rest = api.get(f"/v1/jobs/{job_id}/events", params={"after": page["last_id"]}).json()
    assert [event["type"] for event in rest["data"]] == ["job.status"]
    assert rest["has_more"] is False
    assert rest["data"][0]["id"] > page["data"][0]["id"]
    beyond = api.get(f"/v1/jobs/{job_id}/events", params={"after": rest["last_id"]}).json()
    assert (beyond["data"], beyond["first_id"]) == ([], None)


@pytest.mark.parametrize("after", ["x", "1-2-3", "-", "9" * 40])
def test_a_cursor_that_is_no_event_id_is_refused(api, job_id, after):
    assert api.get(f"/v1/jobs/{job_id}/events", params={"after": after}).status_code == 422
    assert api.get(f"/v1/jobs/{job_id}/events/stream", headers={"Last-Event-ID": after}).status_code == 422


def test_the_stream_tells_everything_and_ends_after_the_last_event(api, job_id):
    cancel = threading.Timer(0.3, lambda: api.post(f"/v1/jobs/{job_id}/cancel"))
    cancel.start()
    events = read(api, f"/v1/jobs/{job_id}/events/stream")
    cancel.join()
    assert [name for _, name, _ in events] == ["job.created", *["job.status"] * 3]
    assert [data.get("status") for _, _, data in events] == [None, "running", "cancelling", "cancelled"]
    assert [event_id for event_id, _, _ in events] == [data["id"] for _, _, data in events]


def test_a_stream_is_resumed_without_gap_or_repetition(api, job_id):
    path = f"/v1/jobs/{job_id}/events/stream"
    before = read(api, path, stop=lambda event: event[2].get("status") == "running")
    api.post(f"/v1/jobs/{job_id}/cancel")
    behind = read(api, path, headers={"Last-Event-ID": before[-1][0]})
    assert [data["status"] for _, _, data in behind] == ["cancelling", "cancelled"]
    assert read(api, path) == before + behind
    assert read(api, f"{path}?after={before[-1][0]}") == behind
    asked_at_first = f"{path}?after={before[0][0]}"
    assert read(api, asked_at_first, headers={"Last-Event-ID": before[-1][0]}) == behind, "a client keeps its address"
    assert read(api, path, headers={"Last-Event-ID": behind[-1][0]}) == [], "nothing more comes, so it ends at once"


def test_what_is_told_after_the_end_is_not_waited_for(api, job_id, store, eventually):
    api.post(f"/v1/jobs/{job_id}/cancel")
    eventually(lambda: api.get(f"/v1/jobs/{job_id}").json()["status"] == "cancelled")
    late = TrainerResumed(at=1.0, step=1)
    store.xadd(keys.events(job_id), {"event": encode_event(late)})
    assert read(api, f"/v1/jobs/{job_id}/events/stream")[-1][2]["status"] == "cancelled"


def test_the_life_of_a_stream_is_capped(api, job_id, monkeypatch):
    monkeypatch.setattr("orchestrator.routes.events.STREAM_LIFE_SECONDS", 0.3)
    assert len(read(api, f"/v1/jobs/{job_id}/events/stream")) == 2
