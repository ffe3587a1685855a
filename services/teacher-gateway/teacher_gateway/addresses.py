"""Base URLs of teachers: what is a valid one, and when two are the same."""

from functools import lru_cache

from yarl import URL

# Jobs name addresses freely: far more than any installation has, and still nothing in memory.
MOST_ADDRESSES = 1000


@lru_cache(MOST_ADDRESSES)
def base_url_fault(base_url: str) -> str | None:
    """What is wrong with a base URL, None when a request can be sent below it."""
    try:
        url = URL(base_url)
    except ValueError:
        return "is not a URL"
    if url.scheme not in ("http", "https") or not url.host:
        return "must begin with http:// or https:// and a host"
    if url.user or url.password or url.query_string or url.fragment:
        return "must have no user, password, query or fragment; API keys belong in TEACHER_GATEWAY_API_KEYS"
    return None


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
