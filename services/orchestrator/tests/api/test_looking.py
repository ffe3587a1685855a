"""What the web UI looks at: a batch at a glance, single tokens, the newest events, the teachers."""

import pytest
from contracts import keys
from contracts.credit import AttemptCredit, EpisodeCredit, encode_credit
from orchestrator.token_texts import pieces

TRAFFIC = {"tutor": 3, "lab": 2}  # calls at this moment


@pytest.fixture
def job_id(api, job_body, players, eventually):
    """A job whose first batch is rolled out but for its last two episodes."""
    made = api.post("/v1/jobs", json=job_body()).json()["id"]
    eventually(lambda: api.get(f"/v1/jobs/{made}").json()["status"] == "running")
    players.publish(made, 0)
    players.roll_out(made, "eval", 0, [0.0, 1.0])
    players.roll_out(made, "train", 1, [0.0, 1.0], limit=5)
    players.roll_out(made, "train", 1, [], limit=6)
    return made


def keep_credit(store, job_id, episode_id):
    """What a trainer writes: the second attempt's two tokens differ."""
    attempts = [
        AttemptCredit(reward_decayed=0.0, advantages=[-0.75]),
        AttemptCredit(reward_decayed=0.25, advantages=[1.0, 2.0]),
    ]
    store.hset(keys.credits(job_id, 1), episode_id, encode_credit(EpisodeCredit(attempts=attempts)))


def test_a_batch_at_a_glance(api, job_id, store):
    path = f"/v1/jobs/{job_id}/steps/1/attempts"
    rows = api.get(path).json()["data"]
    manifest = api.get(f"/v1/jobs/{job_id}/steps/1").json()["manifest"]["entries"]
    assert [row["episode_id"] for row in rows] == [entry["episode_id"] for entry in manifest]
    assert [row["arrived"] for row in rows] == [True] * 6 + [False] * 2
    assert [len(row["attempts"]) for row in rows] == [2] * 5 + [0] * 3
    assert [row["failure"] for row in rows] == [None] * 5 + ["nobody there"] + [None] * 2
    untrained = {"outcome": "wrong", "reward": 0.0, "reward_decayed": None, "advantage": None, "tokens": 2}
    assert rows[0]["attempts"][0] == untrained
    keep_credit(store, job_id, rows[0]["episode_id"])
    first = api.get(path, params={"limit": 1}).json()
    assert [cell["advantage"] for cell in first["data"][0]["attempts"]] == [-0.75, 1.5]
    assert [cell["reward_decayed"] for cell in first["data"][0]["attempts"]] == [0.0, 0.25]
    assert first["has_more"]
    assert api.get(path, params={"after": first["last_id"]}).json()["data"] == rows[1:]
    assert api.get(path, params={"after": "nothing"}).json()["field"] == "after"
    assert api.get(f"/v1/jobs/{job_id}/steps/9/attempts").status_code == 404


def test_an_episode_with_its_credit_and_the_text_of_its_tokens(api, job_id, store):
    episode_id = api.get(f"/v1/jobs/{job_id}/episodes").json()["data"][0]["episode_id"]
    before = api.get(f"/v1/episodes/{episode_id}").json()
    assert (before["credit"], before["tokens"]) == (None, None)
    keep_credit(store, job_id, episode_id)
    episode = api.get(f"/v1/episodes/{episode_id}", params={"tokens": True}).json()
    assert episode["credit"]["attempts"][1] == {"reward_decayed": 0.25, "advantages": [1.0, 2.0]}
    assert [len(attempt) for attempt in episode["tokens"]] == [2, 2]
    assert all(set(token) == {"text", "control"} for attempt in episode["tokens"] for token in attempt)
    evaluated = api.get(f"/v1/jobs/{job_id}/episodes", params={"purpose": "eval"}).json()["data"][0]["episode_id"]
    assert api.get(f"/v1/episodes/{evaluated}").json()["credit"] is None


def test_pieces_add_up_to_the_text_and_split_no_character():
    """Bytes as tokens: one token a byte, the hardest case for characters of several bytes."""
    text = "µ = 0.25 — schön, 教師"
    tokens = list(text.encode())
    found = pieces(lambda ids: bytes(ids).decode(errors="replace"), tokens)
    assert len(found) == len(tokens)
    assert "".join(found) == text
    assert found[:3] == ["", "µ", " "]


def test_the_newest_events_first(api, job_id):
    path = f"/v1/jobs/{job_id}/events"
    oldest_first = [event["id"] for event in api.get(path).json()["data"]]
    newest = api.get(path, params={"order": "desc", "limit": 2}).json()
    assert [event["id"] for event in newest["data"]] == oldest_first[::-1][:2]
    rest = api.get(path, params={"order": "desc", "after": newest["last_id"]}).json()
    assert [event["id"] for event in rest["data"]] == oldest_first[::-1][2:]
    assert api.get(path, params={"order": "random"}).status_code == 422


def test_teachers_with_their_traffic(api, neighbours):
    neighbours.clear()
    staff = [
        {"provider": "tutor", "available": True, "detail": ""},
        {"provider": "retry", "available": True, "detail": ""},
        {"provider": "named", "name": "frontier", "account": "lab", "available": False, "detail": "no key is set"},
    ]
    neighbours.expect_request("/gateway/v1/teachers").respond_with_json({"object": "list", "data": staff})
    gates = [{"provider": name, "in_flight": calls, "waiting": 1, "failures": 0} for name, calls in TRAFFIC.items()]
    neighbours.expect_request("/gateway/v1/traffic").respond_with_json({"object": "list", "data": gates})
    teachers = {teacher["provider"]: teacher for teacher in api.get("/v1/teachers").json()["data"]}
    assert teachers["tutor"]["traffic"]["in_flight"] == TRAFFIC["tutor"]
    assert teachers["retry"]["traffic"] is None
    assert teachers["named"]["traffic"]["in_flight"] == TRAFFIC["lab"], "that of its account"
    assert teachers["named"]["detail"] == "no key is set"


def test_the_page_answers_every_view_and_runs_only_its_own_files(api):
    for path in ("/", "/new", "/jobs/job-1/steps/3", "/episodes/job-1/train/1/q/0", "/static/js/main.js"):
        answer = api.get(path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    assert api.get("/static/nothing.js").status_code == 404
    assert api.get("/v1/nothing").headers["Content-Type"] == "application/problem+json"
