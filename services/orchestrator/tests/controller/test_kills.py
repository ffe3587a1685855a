"""A controller may be killed between any two commands: what it does happens exactly once."""

import pytest
from contracts import keys
from orchestrator.store import Store
from redis.asyncio import Redis


class Killed(BaseException):
    """kill -9: nothing of the process runs after it."""


class MortalRedis(Redis):
    """A real client whose process dies before its n-th command."""

    commands_left: int = 1_000_000

    async def execute_command(self, *arguments, **options):
        if self.commands_left <= 0:
            raise Killed
        self.commands_left -= 1
        return await super().execute_command(*arguments, **options)


def play_on(players, store, job_id):
    """What trainer and workers would do next, given what is open."""
    version = store.hget(keys.job(job_id), "policy_version")
    if version is None:
        if store.get(keys.active_job()) == job_id.encode():
            players.publish(job_id, 0)
        return
    for purpose, step in (("eval", int(version)), ("train", int(version) + 1)):
        if store.exists(keys.manifest(job_id, purpose, step)):
            players.roll_out(job_id, purpose, step)
            if purpose == "train":
                players.publish(job_id, step)


WHOLE_LIFE = [
    ("job.created", None),
    ("job.status", "running"),
    ("manifest.opened", 0),
    ("evaluation.finished", None),
    ("manifest.opened", 1),
    ("manifest.opened", 2),
    ("manifest.opened", 2),
    ("evaluation.finished", None),
    ("job.status", "succeeded"),
]


@pytest.mark.parametrize("life", [1, 2, 3, 5, 7, 11, 13, 17])
async def test_killed_after_every_few_commands_a_job_still_runs_exactly_once(
    life, redis_url, client, controller, players, store, job_spec, story
):
    """Every controller dies after `life` to 3 * `life` commands, wherever that is; the next one goes on."""
    job_id = await Store(client).create(job_spec())
    for generation in range(400):
        if store.hget(keys.job(job_id), "status") == b"succeeded":
            break
        mortal = MortalRedis.from_url(redis_url)
        # The lease of a dead controller would expire by itself; the test does not wait for it.
        store.delete(keys.lease("controller"))
        mortal.commands_left = life * (1 + generation % 3) + generation // 4
        ticking = controller(mortal)
        try:
            for _ in range(3):
                await ticking.tick()
                play_on(players, store, job_id)
        except Killed:
            pass
        await mortal.aclose()
        play_on(players, store, job_id)
    assert story(job_id) == WHOLE_LIFE
    await controller(client).tick()
    store.delete(keys.lease("controller"))
    await controller(client).tick()
    assert store.get(keys.active_job()) is None, "a kill between the end and the release is healed"
    assert store.zcard(keys.live_jobs()) == 0
