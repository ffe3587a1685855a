"""API keys, each bound to the base URL that it belongs to."""

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from teacher_gateway.addresses import canonical


class KeyRing:
    """Gives a key to its own address and takes keys out of text that leaves the gateway."""

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._keys = {canonical(base_url): key for base_url, key in keys.items()}

    def of(self, base_url: str) -> SecretStr | None:
        """The key of this base URL; None when none belongs to it.

        The base URL comes from a job, so whoever may submit a job could name a server of their own: a key that went
        to any address but its own would be theirs.
        """
        return self._keys.get(canonical(base_url))

    def redact(self, text: str) -> str:
        """The text without any key of the ring: servers quote the key that they refuse."""
        return without(text, (key.get_secret_value() for key in self._keys.values()))


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced by `[key]`."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return text
