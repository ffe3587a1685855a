"""An episode that is being made: its tokens only ever grow."""

import hashlib
import time
from collections.abc import Sequence

from contracts.episodes import Attempt, Episode, Failure, Guidance, Outcome
from contracts.guidance import GuidanceRequest, GuidanceResponse, Turn
from contracts.manifests import ManifestEntry
from contracts.packed import Logprobs, TokenIds

from orchestrator.rollout.plan import Plan
from orchestrator.rollout.student import Answer, Sampling


class Dialogue:
    """Prompt, attempts and guidance of one episode. `context_ids` is what the student sees next."""

    def __init__(self, plan: Plan, entry: ManifestEntry) -> None:
        self.plan = plan
        self.entry = entry
        opening = plan.job.opening(entry.question_id)
        self.question = opening.question
        self.turns = list(opening.turns)
        self.asked = opening.turns[-1].content
        self.prompt_ids = opening.prompt_ids
        self.context_ids = list(self.prompt_ids)
        self.attempts: list[Attempt] = []
        self.guidances: list[Guidance] = []
        self.started_at = time.time()

    @property
    def over(self) -> bool:
        """Solved, out of attempts, or out of context."""
        solved = bool(self.attempts) and self.attempts[-1].reward > 0
        return solved or len(self.attempts) == self.plan.max_attempts or not self._fits([])

    @property
    def prefix(self) -> str:
        """What its requests share with each other and with those of its group."""
        return f"{self.plan.job.job_id} {self.plan.purpose} {self.plan.step} {self.entry.question_id}"

    def sampling(self) -> Sampling:
        """How the next answer is sampled; each attempt has its own seed."""
        seed = attempt_seed(self.entry.seed, len(self.attempts) + 1)
        temperature = self.plan.temperature_of(self.entry.sample)
        return Sampling(self.plan.max_answer_tokens, temperature, self.plan.top_p, seed)

    def text_of(self, answer: Answer) -> str:
        """What the student wrote."""
        return self.plan.job.chat.text_of(answer.token_ids)

    def add_answer(self, answer: Answer, text: str, outcome: Outcome) -> None:
        """Append an answer as the student sampled it."""
        self.attempts.append(
            Attempt(
                token_ids=TokenIds.of(answer.token_ids),
                logprobs=Logprobs.of(answer.logprobs),
                version_spans=answer.version_spans,
                text=text,
                outcome=outcome,
                reward=1.0 if outcome == "correct" else 0.0,
                finish_reason=answer.finish_reason,
                latency_seconds=answer.latency_seconds,
            )
        )
        self.turns.append(Turn(role="assistant", content=text))
        self.context_ids += answer.token_ids

    def guidance_request(self) -> GuidanceRequest:
        """What the teacher is told about the latest answer."""
        teacher, attempt = self.plan.teacher, len(self.attempts)
        return GuidanceRequest(
            policy_version=self.plan.policy.oldest,
            job_id=self.plan.job.job_id,
            episode_id=self.entry.episode_id,
            attempt=attempt,
            teacher=teacher,
            question=self.asked,
            dialogue=self.turns,
            latest_answer=self.attempts[-1].text,
            ground_truth=self.question.answer if teacher.ground_truth else None,
            reference_solution=self.question.solution,
            answer=self.question.answer,
            options=self.question.options,
            seed=attempt_seed(self.entry.seed, attempt),
        )

    def add_guidance(self, guidance: GuidanceResponse) -> bool:
        """Append a user turn with the guidance. False, and nothing is added, when no answer would fit behind it."""
        chat = self.plan.job.chat
        ended = self.context_ids[-1] == chat.end_of_turn_id
        token_ids = chat.user_turn_ids(guidance.text, ended)
        if not self._fits(token_ids):
            return False
        leak = guidance.leak
        self.guidances.append(
            Guidance(
                token_ids=TokenIds.of(token_ids),
                text=guidance.text,
                provider=guidance.rung or guidance.provider,
                model=guidance.model,
                prompt_tokens=guidance.prompt_tokens,
                completion_tokens=guidance.completion_tokens,
                price_usd=guidance.price_usd,
                latency_seconds=guidance.latency_seconds,
                leaked=leak.leaked if leak else None,
                leak_rules=leak.rules if leak else [],
                leak_lift=leak.lift if leak else None,
                leak_action=leak.action if leak else None,
            )
        )
        self.turns.append(Turn(role="user", content=guidance.text))
        self.context_ids += token_ids
        return True

    def close(self, failure: Failure | None = None) -> Episode:
        """The record of what happened."""
        return Episode(
            episode_id=self.entry.episode_id,
            job_id=self.plan.job.job_id,
            purpose=self.plan.purpose,
            step=self.plan.step,
            question_id=self.entry.question_id,
            sample=self.entry.sample,
            prompt_token_ids=TokenIds.of(self.prompt_ids),
            attempts=self.attempts,
            guidances=self.guidances,
            failure=failure,
            started_at=self.started_at,
            finished_at=time.time(),
        )

    def _fits(self, token_ids: Sequence[int]) -> bool:
        room = self.plan.job.chat.context_length - self.plan.max_answer_tokens
        return len(self.context_ids) + len(token_ids) <= room


def attempt_seed(episode_seed: int, attempt: int) -> int:
    """Seed of one attempt (k from 1), 31 bits: attempts of one episode share no randomness."""
    digest = hashlib.blake2b(f"{episode_seed}/{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1
