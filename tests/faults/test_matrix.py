"""The fault matrix: whatever breaks, no episode is lost or trained twice, and the weights are those of no fault."""

import os
import random
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from socratic.client import Client

from .audit import Audit, audit
from .campaign import EPISODE_SECONDS, RECOVERY_SECONDS, STEPS, Campaign, Injection
from .injections import LOST_RECORD, STOPPED_WORKER_SECONDS, all_faults
from .replay import unbroken_weights
from .system import System, faulty_system
from .table import table

# How often each kind strikes in the whole run, spread over all places where it can strike.
TIMES = {
    "kill -9": 21,
    "restart": 14,
    "both controllers killed": 2,
    "two controllers at once": 4,
    "stop and continue": 14,
    "connections reset": 52,
    "slow network": 26,
    "half-open": 26,
    "lost last record": 6,
    "delivered twice": 16,
    "poison episode": 6,
    "teacher": 9,
    "full disk": 4,
    "clock one hour ahead": 5,
    "clock one hour behind": 5,
}
NOT_TRIED = {"full disk": "no file system could be mounted", "clock one hour ahead": "there is no C compiler"}


def whole(system: System) -> list[Injection]:
    """At least 200 faults, kinds and places mixed; with FAULTS in the environment those whose name it matches."""
    plan = []
    for kind, places in all_faults(system).items():
        names = list(places)
        plan += [Injection(kind, name, places[name]) for name in (names * TIMES[kind])[: TIMES[kind]]]
    random.Random(0).shuffle(plan)
    wanted = re.compile(os.environ.get("FAULTS", ""))
    return [injection for injection in plan if wanted.search(injection.name)]


def sample(system: System) -> list[Injection]:
    """One of each kind, at a place that changes with the kind."""
    faults = all_faults(system)
    names = [list(places)[index % len(places)] for index, places in enumerate(faults.values())]
    return [Injection(kind, name, faults[kind][name]) for kind, name in zip(faults, names, strict=True)]


@pytest.mark.parametrize(
    "whole_run",
    [
        pytest.param(False, id="sample", marks=pytest.mark.timeout(600)),
        pytest.param(True, id="all", marks=[pytest.mark.faults, pytest.mark.timeout(3600)]),
    ],
)
def test_nothing_is_lost_or_doubled(
    tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str], whole_run: bool
) -> None:
    with capsys.disabled(), faulty_system(tmp_path) as system, Client(system.address("user-orchestrator")) as client:
        for kind in NOT_TRIED.keys() - all_faults(system).keys():
            sys.stdout.write(f"not tried here: {kind} ({NOT_TRIED[kind]})\n")
        campaign = Campaign(system, client)
        campaign.run(whole(system) if whole_run else sample(system))
        audits, unequal = settle(campaign, tmp_path, redis_url)
        complaints = complaints_of(campaign)
        reasons = sum((found.reasons for found in audits.values()), Counter[str]())
        episodes = sum(found.episodes for found in audits.values())
        sys.stdout.write(f"{episodes} episodes of {len(audits)} jobs; failed with a reason: {dict(reasons)}\n")
        longest = max(found.longest for found in audits.values())
        sys.stdout.write(f"longest episode {longest:.1f} s of {EPISODE_SECONDS}\n")
        sys.stdout.write(f"jobs whose weights differ from those of the unbroken run: {unequal or 'none'}\n")
        sys.stdout.write(table(campaign.outcomes, audits) + "\n")
    assert unequal == []
    assert complaints == []
    assert [found.lost + found.doubled for found in audits.values() if found.lost or found.doubled] == []
    # An episode's deadline; a worker that was stopped is that much later.
    assert longest <= EPISODE_SECONDS + STOPPED_WORKER_SECONDS
    # A sample runs in CI beside other work, where a time says nothing.
    late = [outcome for outcome in campaign.outcomes if outcome.seconds > RECOVERY_SECONDS] if whole_run else []
    assert late == []


def complaints_of(campaign: Campaign) -> list[str]:
    """Of the users who watched the jobs."""
    lost = Counter(outcome.job_id for outcome in campaign.outcomes if outcome.kind == LOST_RECORD)
    with campaign.system.redis() as store:
        found = [(watcher.job_id, watcher.complaint(store, lost[watcher.job_id])) for watcher in campaign.watchers]
    return [f"{job_id}: {complaint}" for job_id, complaint in found if complaint is not None]


def settle(campaign: Campaign, home: Path, redis_url: str) -> tuple[dict[str, Audit], list[str]]:
    """The audit of each job, and the jobs whose weights differ from those of the unbroken run."""
    audits, unequal = {}, []
    with campaign.system.redis() as store:
        for job_id in campaign.jobs:
            audits[job_id] = audit(store, home / "data", job_id, STEPS)
            replayed = unbroken_weights(
                store, home / "data", job_id, campaign.spec, redis_url, home / "replay" / job_id
            )
            if replayed != audits[job_id].weights:
                unequal.append(job_id)
    return audits, unequal
