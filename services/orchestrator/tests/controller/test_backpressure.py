"""However fast the workers are, the stream holds no more batches than a trainer that stands still allows."""

import pytest
from contracts import keys
from orchestrator.rollout.dispatch import queue_key
from orchestrator.store import Store

EPISODES, TICKS = 40, 6


@pytest.mark.parametrize("max_staleness", [0, 1, 3])
async def test_the_stream_never_runs_further_ahead_than_max_staleness(
    client, controller, players, store, job_spec, max_staleness
):
    changes = {"rollout.group_size": 10, "rollout.max_staleness": max_staleness, "training.steps": 9}
    job_id = await Store(client).create(job_spec({**changes, "evaluation.every": 9, "evaluation.questions": 1}))
    ticking = controller(client)
    await ticking.tick()

    async def tick_and_make_all_that_is_handed_out():
        """Workers that take no time at all."""
        for _ in range(TICKS):
            await ticking.tick()
            for purpose, step in [("eval", 0), *(("train", step) for step in range(1, 10))]:
                if store.exists(keys.manifest(job_id, purpose, step)):
                    players.roll_out(job_id, purpose, step)

    for version in (0, 1, 2):
        players.publish(job_id, version)
        await tick_and_make_all_that_is_handed_out()
        waiting = store.xlen(keys.stream(job_id, "train")) - version * EPISODES  # the trainer consumed the others
        assert waiting == (1 + max_staleness) * EPISODES
        assert store.llen(queue_key()) <= 1 + 2 * (1 + max_staleness + version), "two chunks a batch, sent once"
