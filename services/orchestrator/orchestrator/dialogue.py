"""An episode for people: its outcome and its dialogue as text. Pure."""

import msgspec
from contracts.credit import EpisodeCredit
from contracts.episode_views import (
    DialogueTurn,
    EpisodeOutcome,
    EpisodeSummary,
    EpisodeView,
    PromptTurn,
    QuestionView,
    StudentTurn,
    TeacherTurn,
    TokenText,
)
from contracts.episodes import Episode
from tasks.base import Message, Question


def outcome_of(episode: Episode) -> EpisodeOutcome:
    """The last attempt's outcome, or `failed` for an episode that could not be completed."""
    if episode.failure is not None or not episode.attempts:
        return "failed"
    return episode.attempts[-1].outcome


def summary(episode: Episode) -> EpisodeSummary:
    """One line of a list."""
    return EpisodeSummary(
        episode_id=episode.episode_id,
        purpose=episode.purpose,
        step=episode.step,
        question_id=episode.question_id,
        sample=episode.sample,
        outcome=outcome_of(episode),
        attempts=len(episode.attempts),
        unassisted=episode.unassisted,
        guided=episode.guided,
        failure=episode.failure.detail if episode.failure else None,
        started_at=episode.started_at,
        finished_at=episode.finished_at,
    )


def episode_view(
    question: Question | None,
    prompt: list[Message],
    episode: Episode,
    credit: EpisodeCredit | None = None,
    tokens: list[list[TokenText]] | None = None,
) -> EpisodeView:
    """An episode with what was asked, and with what the trainer made of it."""
    asked = None
    if question is not None:
        asked = QuestionView(
            id=question.id,
            domain=question.domain,
            text=question.text,
            options=dict(question.options),
            answer=question.answer,
        )
    members = msgspec.to_builtins(episode, enc_hook=list) | {
        "outcome": outcome_of(episode),
        "question": asked,
        "dialogue": dialogue(prompt, episode),
        "credit": msgspec.to_builtins(credit),
        "tokens": tokens,
    }
    return EpisodeView.model_validate(members)


def dialogue(prompt: list[Message], episode: Episode) -> list[DialogueTurn]:
    """Every turn in order: the prompt, then attempts and guidance in turn."""
    turns: list[DialogueTurn] = [PromptTurn.model_validate(message) for message in prompt]
    for index, attempt in enumerate(episode.attempts):
        turns.append(
            StudentTurn(
                content=attempt.text,
                attempt=index + 1,
                outcome=attempt.outcome,
                reward=attempt.reward,
            )
        )
        if index < len(episode.guidances):
            guidance = episode.guidances[index]
            turns.append(TeacherTurn(content=guidance.text, provider=guidance.provider))
    return turns
