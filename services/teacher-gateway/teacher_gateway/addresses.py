"""Base URLs of teachers: when two are the same."""

from functools import lru_cache

from servicekit.addresses import MOST_ADDRESSES
from yarl import URL


@lru_cache(MOST_ADDRESSES)
def canonical(base_url: str) -> str:
    """One spelling per address: lower-case host, no default port, dots resolved, no final slash."""
    url = URL(base_url)
    default_port = {"http": 80, "https": 443}.get(url.scheme)
    return str(url.with_port(None) if url.explicit_port == default_port else url).rstrip("/")


@lru_cache(MOST_ADDRESSES)
def chat_url(base_url: str) -> str:
    """Where chat completions are asked for."""
    return canonical(base_url) + "/chat/completions"
