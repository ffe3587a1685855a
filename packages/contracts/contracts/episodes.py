"""The episode record: one rollout of one prompt, with everything the trainer and a reader need. Raw rewards only.

Wire format: msgpack (msgspec), numbers of tokens packed (contracts.packed). Unknown fields and later versions are
refused. Version 1 had lists in the place of packed numbers, and is still read.
"""

from typing import Literal

import msgspec

from contracts.packed import Logprobs, TokenIds, from_wire, to_wire

EPISODE_VERSION: Literal[2] = 2

# Malformed: not in the required form. Truncated: it hit the length limit. Unverified: its check was ended by a deadline
# or failed. All but `correct` earn nothing.
Outcome = Literal["correct", "wrong", "malformed", "truncated", "unverified"]
Purpose = Literal["train", "eval"]


class VersionSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tokens start..end (end exclusive) of an attempt were sampled by this policy version."""

    version: int
    start: int
    end: int


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One complete answer of the student. `token_ids` and `logprobs` have the same length; end-of-turn is included."""

    token_ids: TokenIds
    logprobs: Logprobs  # nats, of the sampling policy at the sampling temperature
    version_spans: list[VersionSpan]
    text: str
    outcome: Outcome
    reward: float  # raw: 1.0 when the answer is right, else 0.0
    finish_reason: Literal["stop", "length"]
    latency_seconds: float


class Guidance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the student was told between two attempts; `token_ids` is the whole user-turn delta of the template."""

    token_ids: TokenIds
    text: str
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    price_usd: float
    latency_seconds: float
    leaked: bool | None = None  # the leak guard's finding on the teacher's words; None where it did not look
    leak_rules: list[str] = []  # which of its rules found it, by name
    leak_lift: float | None = None  # score of its probe: right answers from the guidance alone above chance, in [-1, 1]
    leak_action: str | None = None  # what was done about it, one of contracts.budgets.LeakAction


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why an episode could not be completed; it stays in its manifest as a recorded failure."""

    code: str
    detail: str


IN_FORM: tuple[Outcome, ...] = ("correct", "wrong")  # what counts for the format rate


class Episode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rollout. Invariant: len(guidances) == max(len(attempts) - 1, 0) unless `failure` is set."""

    version: Literal[1, 2] = EPISODE_VERSION
    episode_id: str
    job_id: str
    purpose: Purpose
    step: int
    question_id: str
    sample: int  # index within the group of this question
    prompt_token_ids: TokenIds
    attempts: list[Attempt]
    guidances: list[Guidance]
    failure: Failure | None = None
    started_at: float  # Unix time, seconds
    finished_at: float

    @property
    def unassisted(self) -> bool:
        """The first attempt was right."""
        return bool(self.attempts) and self.attempts[0].reward > 0

    @property
    def guided(self) -> bool:
        """Some attempt was right."""
        return any(attempt.reward > 0 for attempt in self.attempts)


_decoder = msgspec.msgpack.Decoder(Episode, dec_hook=from_wire)
_list_decoder = msgspec.msgpack.Decoder(list[Episode], dec_hook=from_wire)
_encoder = msgspec.msgpack.Encoder(enc_hook=to_wire)


def encode_episode(episode: Episode) -> bytes:
    """The episode as msgpack."""
    return _encoder.encode(episode)


def encode_episodes(episodes: list[Episode]) -> bytes:
    """A list of episodes as msgpack."""
    return _encoder.encode(episodes)


def decode_episodes(data: bytes) -> list[Episode]:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything else than such a list."""
    return _list_decoder.decode(data)


def decode_episode(data: bytes) -> Episode:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything that is not an episode of this version."""
    return _decoder.decode(data)
