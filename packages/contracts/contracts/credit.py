"""What the trainer gave each attempt of an episode: kept beside it, for people who read it. msgpack (msgspec)."""

import msgspec


class AttemptCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`advantages`: one number for each token of the attempt, or a single one where all its tokens got the same."""

    reward_decayed: float
    advantages: list[float]

    @property
    def mean_advantage(self) -> float:
        """Over the attempt's tokens; 0 for an attempt without tokens."""
        return sum(self.advantages) / len(self.advantages) if self.advantages else 0.0


class EpisodeCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """In the order of the episode's attempts."""

    attempts: list[AttemptCredit]


_decoder = msgspec.msgpack.Decoder(EpisodeCredit)


def encode_credit(credit: EpisodeCredit) -> bytes:
    """The credit as msgpack."""
    return msgspec.msgpack.encode(credit)


def decode_credit(data: bytes) -> EpisodeCredit:
    """Raises msgspec.ValidationError or msgspec.DecodeError for anything else."""
    return _decoder.decode(data)
