"""One episode against scripted engine and gateway: what is sent, what is recorded."""

from typing import Any, get_args

import pytest
from contracts.budgets import Leak
from contracts.episodes import Episode, Guidance, Outcome
from contracts.jobs import JobSpec
from contracts.manifests import Manifest
from contracts.methods import SocraticPO
from contracts.trajectories import trajectory_of
from orchestrator.openings import evaluation_manifest
from orchestrator.rollout.chat import StudentChat
from orchestrator.rollout.dialogue import Dialogue, attempt_seed
from orchestrator.rollout.episode import Parties, roll_out
from orchestrator.rollout.plan import plan_of
from orchestrator.rollout.student import Answer

from .conftest import Context
from .makers import make_manifest, make_spec
from .standins import HINT, Engine, Gateway, status


class Room:
    """Rolls out the first entry of a manifest."""

    def __init__(self, parties: Parties, engine: Engine, gateway: Gateway, job: Context) -> None:
        self.parties, self.engine, self.gateway, self.job = parties, engine, gateway, job

    async def roll_out(self, spec: JobSpec, manifest: Manifest | None = None) -> Episode:
        manifest = manifest or make_manifest()
        plan = plan_of(self.job(spec), manifest)
        return await roll_out(plan, manifest.entries[0], self.parties)


@pytest.fixture
def room(parties: Parties, engine: Engine, gateway: Gateway, job: Context) -> Room:
    return Room(parties, engine, gateway, job)


def answer_ids(chat: StudentChat, letter: str) -> list[int]:
    return [*chat.tokenizer.encode(f"<answer> {letter} </answer>"), chat.end_of_turn_id]


def right_letter(job: Context, spec: JobSpec, question_id: str = "materials-train-0") -> str:
    return job(spec).questions[question_id].answer


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_right_answer_alone_earns(job: Context, spec: JobSpec, outcome: Outcome) -> None:
    manifest = make_manifest()
    dialogue = Dialogue(plan_of(job(spec), manifest), manifest.entries[0])
    dialogue.add_answer(Answer([5], [-0.5], [], "stop", 0.1), "text", outcome)
    assert dialogue.attempts[-1].reward == (1.0 if outcome == "correct" else 0.0)


async def test_tokens_go_out_as_they_came_in(room: Room, chat: StudentChat, job: Context, spec: JobSpec) -> None:
    # Text has no trace of the sampled <unk> (1): decoding and encoding again would lose it.
    right = answer_ids(chat, right_letter(job, spec))
    first = [40, 1, 40, 4]
    room.engine.speak = lambda context: right if first[0] in context else first
    episode = await room.roll_out(spec)
    one, two = (request["input_ids"] for request in room.engine.seen)
    assert one == episode.prompt_token_ids == chat.prompt_ids(job(spec).task.messages(question(job, spec)))
    assert two == [*one, *first, *chat.user_turn_ids(HINT, ended=True)]
    assert trajectory_of(episode).token_ids_T == [*two, *right]
    assert [attempt.outcome for attempt in episode.attempts] == ["malformed", "correct"]
    assert [attempt.reward for attempt in episode.attempts] == [0.0, 1.0]
    assert (episode.unassisted, episode.guided, episode.failure) == (False, True, None)


def question(job: Context, spec: JobSpec) -> Any:
    return job(spec).questions["materials-train-0"]


async def test_a_right_first_answer_ends_the_episode(
    room: Room, chat: StudentChat, job: Context, spec: JobSpec
) -> None:
    right = answer_ids(chat, right_letter(job, spec))
    room.engine.speak = lambda context: right
    episode = await room.roll_out(spec)
    assert (len(episode.attempts), episode.guidances, room.gateway.seen) == (1, [], [])
    assert episode.unassisted


async def test_guidance_is_recorded_with_its_cost(room: Room, spec: JobSpec, chat: StudentChat) -> None:
    episode = await room.roll_out(spec)
    assert len(episode.attempts) == 2
    assert episode.guidances == [
        Guidance(
            token_ids=chat.user_turn_ids(HINT, ended=True),
            text=HINT,
            provider="tutor",
            model="rules",
            prompt_tokens=11,
            completion_tokens=7,
            price_usd=0.5,
            latency_seconds=0.125,
        )
    ]


async def test_what_the_leak_guard_found_is_recorded(room: Room, spec: JobSpec) -> None:
    room.gateway.leak = Leak(leaked=True, rules=["letter", "value"], action="redact", lift=0.75)
    (guidance,) = (await room.roll_out(spec)).guidances
    assert (guidance.leaked, guidance.leak_rules) == (True, ["letter", "value"])
    assert (guidance.leak_action, guidance.leak_lift) == ("redact", 0.75)


async def test_the_teacher_sees_the_whole_dialogue(room: Room, job: Context) -> None:
    spec = make_spec(rollout={"max_attempts": 3, "max_answer_tokens": 24})
    await room.roll_out(spec)
    text = question(job, spec).text
    first, second = room.gateway.seen
    assert (first["question"], first["latest_answer"], first["attempt"]) == (text, first["dialogue"][1]["content"], 1)
    assert [turn["role"] for turn in second["dialogue"]] == ["user", "assistant", "user", "assistant"]
    assert second["dialogue"][2]["content"] == HINT
    assert second["attempt"] == 2
    assert first["ground_truth"] is None


async def test_the_teacher_gets_the_answer_only_when_the_job_says_so(room: Room, job: Context) -> None:
    spec = make_spec(teacher={"provider": "tutor", "ground_truth": True})
    await room.roll_out(spec)
    assert room.gateway.seen[0]["ground_truth"] == right_letter(job, spec)


async def test_without_guidance_the_teacher_is_the_retry_text(room: Room) -> None:
    await room.roll_out(make_spec(method=SocraticPO(guidance=False).model_dump()))
    assert room.gateway.seen[0]["teacher"]["provider"] == "retry"


async def test_a_truncated_answer_is_wrong_and_gets_guidance(
    room: Room, chat: StudentChat, job: Context, spec: JobSpec
) -> None:
    # The cut answer names the right letter: it counts as wrong all the same.
    cut = [*answer_ids(chat, right_letter(job, spec))[:-1], *[40] * 30]
    room.engine.speak = lambda context: cut
    episode = await room.roll_out(spec)
    assert [attempt.outcome for attempt in episode.attempts] == ["truncated", "truncated"]
    assert [attempt.finish_reason for attempt in episode.attempts] == ["length", "length"]
    assert [attempt.reward for attempt in episode.attempts] == [0.0, 0.0]
    one, two = (request["input_ids"] for request in room.engine.seen)
    assert two == [*one, *cut[:24], chat.end_of_turn_id, *chat.user_turn_ids(HINT, ended=True)]


async def test_attempts_have_their_own_seeds(room: Room, spec: JobSpec) -> None:
    await room.roll_out(spec)
    seeds = [request["sampling_params"]["sampling_seed"] for request in room.engine.seen]
    assert seeds == [attempt_seed(1000, 1), attempt_seed(1000, 2)]
    assert len({*seeds, attempt_seed(1001, 1)}) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)


async def test_an_evaluation_has_its_own_attempts_and_temperature(room: Room, spec: JobSpec) -> None:
    episode = await room.roll_out(spec, make_manifest(purpose="eval", step=0))
    assert (episode.purpose, len(episode.attempts)) == ("eval", 3)
    assert room.engine.seen[0]["sampling_params"]["temperature"] == 0.0


async def test_an_evaluation_asks_greedily_after_its_samples(room: Room) -> None:
    spec = make_spec(evaluation={"temperature": 0.6, "samples": 2, "greedy": True, "questions": 4})
    manifest = evaluation_manifest("job-1", spec, ["materials-test-0"], {}, 0)
    assert [entry.sample for entry in manifest.entries] == [0, 1, 2]
    plan = plan_of(room.job(spec), manifest)
    for entry in manifest.entries:
        await roll_out(plan, entry, room.parties)
    asked = [request["sampling_params"]["temperature"] for request in room.engine.seen]
    attempts = len(asked) // 3
    assert asked == [0.6] * 2 * attempts + [0.0] * attempts


async def test_an_evaluation_may_cut_the_tail_of_the_distribution_and_training_never_does(room: Room) -> None:
    spec = make_spec(evaluation={"temperature": 0.6, "top_p": 0.95})
    for purpose, top_p in (("eval", 0.95), ("train", 1.0)):
        room.engine.seen.clear()
        await room.roll_out(spec, make_manifest(purpose=purpose))
        assert {request["sampling_params"]["top_p"] for request in room.engine.seen} == {top_p}


async def test_a_full_context_ends_the_episode_before_the_teacher_is_asked(room: Room) -> None:
    room.engine.speak = lambda context: [40] * 250
    spec = make_spec(rollout={"max_attempts": 9, "max_answer_tokens": 250})
    episode = await room.roll_out(spec)
    assert (len(episode.attempts), len(episode.guidances), len(room.gateway.seen)) == (1, 0, 0)
    assert episode.failure is None


async def test_guidance_that_leaves_no_room_is_dropped(room: Room) -> None:
    room.gateway.text = "compare " * 480
    episode = await room.roll_out(make_spec())
    assert (len(episode.attempts), episode.guidances, len(room.gateway.seen)) == (1, [], 1)


async def test_a_refused_attempt_is_a_recorded_failure_with_what_was_made(room: Room, spec: JobSpec) -> None:
    room.gateway.faults.append(status(502, body={"code": "teacher_failed", "detail": "it said 401"}))
    episode = await room.roll_out(spec)
    assert episode.failure is not None
    assert (episode.failure.code, episode.failure.detail) == ("teacher_failed", "it said 401")
    assert len(episode.attempts) == 1


async def test_a_silent_engine_meets_the_episodes_deadline(room: Room) -> None:
    room.engine.talking.clear()
    episode = await room.roll_out(make_spec(rollout={"episode_timeout_seconds": 0.5}))
    assert episode.failure is not None
    assert episode.failure.code in {"engine_unreachable", "deadline"}, "by when the last try began"
    room.engine.talking.set()


async def test_a_silent_gateway_meets_the_episodes_deadline(room: Room) -> None:
    """The answer is cut, so that no judge has to start before the deadline."""
    room.gateway.talking.clear()
    episode = await room.roll_out(make_spec(rollout={"episode_timeout_seconds": 1.5, "max_answer_tokens": 2}))
    assert episode.failure is not None
    assert (episode.failure.code, len(episode.attempts)) == ("deadline", 1)
    assert "rollout.episode_timeout_seconds" in episode.failure.detail
    room.gateway.talking.set()
