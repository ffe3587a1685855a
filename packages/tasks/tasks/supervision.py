"""What a supervised example of a dialogue is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """One attempt and the user turn before it; with `learn` off the attempt is context, shown to be corrected."""

    user: str
    assistant: str
    learn: bool = True
