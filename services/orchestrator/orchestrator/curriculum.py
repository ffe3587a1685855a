"""The curriculum: questions that the student answers alone rest for some steps (rollout.rest_steps)."""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence

from contracts.episodes import Episode
from contracts.jobs import JobSpec

from orchestrator.batches import Batches

# One job runs at a time, and a rest is rarely longer.
KEPT_STEPS = 256


class Curriculum:
    """Reads complete batches only, each once: a restarted controller comes to the same questions."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self._solved: OrderedDict[tuple[str, int], frozenset[str]] = OrderedDict()

    async def resting(self, job_id: str, spec: JobSpec, step: int) -> frozenset[str]:
        """Questions that step `step` should not ask. The batches looked at are complete when it may be opened."""
        first, end = step - spec.rollout.rest_steps, step - spec.rollout.max_staleness
        solved = [await self.solved_at(job_id, earlier) for earlier in range(max(1, first), end)]
        return frozenset().union(*solved)

    async def solved_at(self, job_id: str, step: int) -> frozenset[str]:
        """What the student answered alone in a complete batch."""
        name = (job_id, step)
        if name not in self._solved:
            self._solved[name] = solved_questions(await self.batches.of_step(job_id, "train", step))
            if len(self._solved) > KEPT_STEPS:
                self._solved.popitem(last=False)
        return self._solved[name]


def solved_questions(episodes: Sequence[Episode]) -> frozenset[str]:
    """Questions whose every episode has a right first attempt; a recorded failure shows nothing."""
    firsts: dict[str, list[bool]] = defaultdict(list)
    for episode in episodes:
        firsts[episode.question_id].append(episode.failure is None and episode.unassisted)
    return frozenset(question for question, flags in firsts.items() if all(flags))
