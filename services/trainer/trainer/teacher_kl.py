"""The KL from the student to a teacher that shares its tokenizer (paper Fig. 6), through the gateway's scoring door.

A figure beside the training, never a part of it: where the teacher cannot score, the figure is missing, no more.
Axes: T tokens of one trajectory.
"""

from collections.abc import Sequence
from typing import Any

import httpx2
import structlog
from contracts.teachers import TeacherKlSpec
from contracts.trajectories import CONTEXT, Trajectory

# One forward pass over one trajectory; a busy teacher queues it behind its generations. Training waits for this figure,
# so it waits no longer than for a busy neighbour.
SCORE_SECONDS = 10.0
NOT_POSSIBLE = 501
log = structlog.get_logger()


class NotScored(Exception):
    """The teacher gave no scores; `for_good` when no other request would get any."""

    def __init__(self, cause: str, for_good: bool = False) -> None:
        super().__init__(cause)
        self.for_good = for_good


class TeacherKl:
    """Asks for one step after the other, until it hears that this teacher cannot score."""

    def __init__(self, gateway_url: str, spec: TeacherKlSpec) -> None:
        self._url = gateway_url.rstrip("/") + "/v1/score"
        self._spec = spec
        self._possible = True

    def measure(self, trajectories: Sequence[Trajectory]) -> float | None:
        """Mean of log p_student - log p_teacher over the student's tokens, nats: an unbiased estimate of the KL.

        None when the teacher did not score them.
        """
        if not self._possible:
            return None
        try:
            with httpx2.Client(timeout=SCORE_SECONDS, trust_env=False) as http:
                gaps = [gap for one in trajectories[: self._spec.episodes] for gap in self._gaps(http, one)]
        except NotScored as failure:
            self._possible = not failure.for_good
            log.warning("teacher_kl_missing", cause=str(failure), asked_again=self._possible)
            return None
        return sum(gaps) / len(gaps) if gaps else None

    def _gaps(self, http: httpx2.Client, trajectory: Trajectory) -> list[float]:
        sampled = [place for place, attempt in enumerate(trajectory.attempt_T) if attempt != CONTEXT]
        if not sampled:
            return []
        start = max(1, sampled[0])
        teacher_T = self._score(http, trajectory.token_ids_T, start)
        return [trajectory.logprobs_T[place] - teacher_T[place - start] for place in sampled if place >= start]

    def _score(self, http: httpx2.Client, token_ids_T: list[int], start: int) -> list[float]:
        """log p(token) under the teacher, of token_ids_T[start:]. Raises NotScored."""
        asked: dict[str, Any] = {
            "teacher": self._spec.teacher.model_dump(mode="json"),
            "engine": self._spec.engine,
            "token_ids": token_ids_T,
            "start": start,
        }
        try:
            answer = http.post(self._url, json=asked)
            if answer.status_code != 200:
                cause = f"the gateway answered {answer.status_code}: {answer.text[:300]}"
                raise NotScored(cause, for_good=answer.status_code == NOT_POSSIBLE)
            logprobs_T: list[float] = answer.json()["logprobs"]
        except (httpx2.HTTPError, ValueError, KeyError) as error:
            raise NotScored(f"{type(error).__name__}: {error}") from error
        if len(logprobs_T) != len(token_ids_T) - start:
            raise NotScored(f"{len(logprobs_T)} scores for {len(token_ids_T) - start} tokens")
        return logprobs_T
