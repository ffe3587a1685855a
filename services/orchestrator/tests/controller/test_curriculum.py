"""What the student answers alone rests, by the batches in Redis and by nothing else."""

import pytest
from contracts import keys
from contracts.episodes import encode_episode
from contracts.manifests import ManifestEntry
from contracts.scripts import APPEND_EPISODES
from orchestrator.batches import Batches
from orchestrator.curriculum import Curriculum, solved_questions
from orchestrator.store import Store


@pytest.fixture
def asked(play):
    """A training episode of a question with these raw rewards."""

    def make(question, sample, answers):
        name = f"j/train/1/{question}/{sample}"
        return play(
            "j", "train", 1, ManifestEntry(episode_id=name, question_id=question, sample=sample, seed=1), answers
        )

    return make


def test_a_question_is_solved_when_its_whole_group_is_right_alone(asked):
    episodes = [
        *[asked("alone", sample, [1.0]) for sample in (0, 1)],
        *[asked("guided", sample, [0.0, 1.0]) for sample in (0, 1)],
        asked("half", 0, [1.0]),
        asked("half", 1, [0.0, 0.0]),
        asked("failed", 0, [1.0]),
        asked("failed", 1, []),
    ]
    assert solved_questions(episodes) == {"alone"}


def append(store, episode):
    """As a worker does."""
    names = [keys.index("j", "train", episode.step), keys.stream("j", "train")]
    store.register_script(APPEND_EPISODES)(
        keys=names, args=[episode.episode_id, keys.EPISODE_FIELD, encode_episode(episode)]
    )


@pytest.fixture
def solved(store, play):
    """Steps 1 to 4 hold one question each that the student answered alone, and one that it did not."""
    for step, question in enumerate("abcd", start=1):
        for name, answers in ((question, [1.0]), ("hard", [0.0, 1.0])):
            entry = ManifestEntry(episode_id=f"j/train/{step}/{name}/0", question_id=name, sample=0, seed=1)
            append(store, play("j", "train", step, entry, answers))


async def test_a_question_rests_for_so_many_steps(solved, client, job_spec):
    curriculum = Curriculum(Batches(client))
    spec = job_spec({"rollout.rest_steps": 2})
    assert await curriculum.resting("j", spec, 1) == set()
    assert await curriculum.resting("j", spec, 4) == {"b", "c"}
    assert await curriculum.resting("j", spec, 5) == {"c", "d"}
    assert await Curriculum(Batches(client)).resting("j", job_spec(), 5) == set()


async def test_no_batch_is_looked_at_that_may_still_be_open(solved, client, job_spec):
    stale = job_spec({"rollout.rest_steps": 3, "rollout.max_staleness": 1})
    assert await Curriculum(Batches(client)).resting("j", stale, 4) == {"a", "b"}


async def test_the_controller_opens_batches_without_what_rests(client, controller, players, job_spec):
    """Of six questions three were answered alone at step 1: step 3 asks the others again."""
    changes = {"task.options.train_questions": 6, "rollout.prompts_per_step": 3, "rollout.rest_steps": 5}
    changes |= {"training.steps": 3, "evaluation.every": 3, "evaluation.questions": 1}
    job_id = await Store(client).create(job_spec(changes))
    ticking, asked = controller(client), []
    for purpose, step, version, answers in (
        ("eval", 0, 0, [1.0]),
        ("train", 1, 0, [1.0]),
        ("train", 2, 1, [0.0, 1.0]),
        ("train", 3, 2, []),
    ):
        await ticking.tick()
        players.publish(job_id, version)
        await ticking.tick()
        asked.append({entry.question_id for entry in players.manifest(job_id, purpose, step).entries})
        players.roll_out(job_id, purpose, step, answers)
    _, first, second, third = asked
    assert len(first | second) == 6
    assert third == second
