"""The table of a campaign, and the line that scripts read."""

from collections.abc import Mapping
from statistics import median

from .audit import Audit
from .campaign import Outcome

HEAD = f"{'fault':26}{'injected':>9}{'median s':>10}{'max s':>8}{'lost':>6}{'doubled':>9}"


def table(outcomes: list[Outcome], audits: Mapping[str, Audit]) -> str:
    """A row for each kind of fault. An episode counts in the row whose fault struck during its step; the last line
    counts each once, whenever it was."""
    lines = [HEAD, *(row(kind, of_kind(outcomes, kind), audits) for kind in kinds(outcomes))]
    lost = sum(found.lost.total() for found in audits.values())
    doubled = sum(found.doubled.total() for found in audits.values())
    seconds = [outcome.seconds for outcome in outcomes]
    recovery = f"recovery median {median(seconds):.1f} s max {max(seconds):.1f} s"
    return "\n".join([*lines, f"faults: {len(outcomes)} injected, {lost} lost, {doubled} doubled, {recovery}"])


def kinds(outcomes: list[Outcome]) -> list[str]:
    return sorted({outcome.kind for outcome in outcomes})


def of_kind(outcomes: list[Outcome], kind: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.kind == kind]


def row(kind: str, outcomes: list[Outcome], audits: Mapping[str, Audit]) -> str:
    struck = {(outcome.job_id, step) for outcome in outcomes for step in outcome.steps}
    lost = sum(audits[job_id].lost[step] for job_id, step in struck)
    doubled = sum(audits[job_id].doubled[step] for job_id, step in struck)
    seconds = [outcome.seconds for outcome in outcomes]
    return f"{kind:26}{len(outcomes):9d}{median(seconds):10.1f}{max(seconds):8.1f}{lost:6d}{doubled:9d}"
