"""An episode for people: its outcome and its dialogue as text. Pure."""

from typing import Any, Literal

from contracts.episodes import Episode, Outcome
from tasks.base import Message, Question

EpisodeOutcome = Outcome | Literal["failed"]


def outcome_of(episode: Episode) -> EpisodeOutcome:
    """The last attempt's outcome, or `failed` for an episode that could not be completed."""
    if episode.failure is not None or not episode.attempts:
        return "failed"
    return episode.attempts[-1].outcome


def summary(episode: Episode) -> dict[str, Any]:
    """One line of a list."""
    return {
        "object": "episode",
        "episode_id": episode.episode_id,
        "purpose": episode.purpose,
        "step": episode.step,
        "question_id": episode.question_id,
        "sample": episode.sample,
        "outcome": outcome_of(episode),
        "attempts": len(episode.attempts),
        "unassisted": episode.unassisted,
        "guided": episode.guided,
        "failure": episode.failure.detail if episode.failure else None,
        "started_at": episode.started_at,
        "finished_at": episode.finished_at,
    }


def dialogue(prompt: list[Message], episode: Episode) -> list[dict[str, Any]]:
    """Every turn in order: the prompt, then attempts and guidance in turn."""
    turns: list[dict[str, Any]] = [dict(message) for message in prompt]
    for index, attempt in enumerate(episode.attempts):
        answer = {"role": "assistant", "content": attempt.text, "outcome": attempt.outcome, "reward": attempt.reward}
        turns.append({**answer, "attempt": index + 1})
        if index < len(episode.guidances):
            guidance = episode.guidances[index]
            turns.append({"role": "user", "content": guidance.text, "provider": guidance.provider})
    return turns


def question_view(question: Question) -> dict[str, Any]:
    """The question with its right answer."""
    return {
        "id": question.id,
        "domain": question.domain,
        "text": question.text,
        "options": question.options,
        "answer": question.answer,
    }
