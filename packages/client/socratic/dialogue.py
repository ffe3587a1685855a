"""An episode of the API as text for people."""

from typing import Any


def dialogue_text(episode: dict[str, Any]) -> str:
    """Prompt, attempts and guidance in turn, then the right answer and what came of it."""
    blocks = [f"{episode['episode_id']}  ({episode['outcome']})"]
    blocks += [f"-- {heading(turn)}\n{turn['content']}" for turn in episode["dialogue"]]
    if episode.get("question"):
        blocks.append(f"-- right answer\n{episode['question']['answer']}")
    if episode.get("failure"):
        blocks.append(f"-- failure: {episode['failure']['code']}\n{episode['failure']['detail']}")
    return "\n\n".join(blocks)


def heading(turn: dict[str, Any]) -> str:
    """Who speaks, and what the attempt was worth."""
    if "attempt" in turn:
        return f"student, attempt {turn['attempt']}: {turn['outcome']}, reward {turn['reward']:g}"
    if "provider" in turn:
        return f"teacher ({turn['provider']})"
    return str(turn["role"])
