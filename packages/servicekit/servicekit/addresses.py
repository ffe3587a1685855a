"""Addresses of HTTP services, in settings, files and requests."""

from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator
from yarl import URL

# Requests name addresses freely: far more than any installation has, and still nothing in memory.
MOST_ADDRESSES = 1000


@lru_cache(MOST_ADDRESSES)
def address_fault(address: str) -> str | None:
    """What is wrong with the address, None when requests can be sent below it. Never says it: it may hold a secret."""
    try:
        url = URL(address)
    except ValueError:
        return "is not a URL"
    if url.scheme not in ("http", "https") or not url.host or url.port == 0:
        return "must begin with http:// or https:// and a host, such as http://127.0.0.1:8001"
    if url.user or url.password or url.query_string or url.fragment:
        keys = "API keys have settings of their own (a teacher's: TEACHER_GATEWAY_API_KEYS)"
        return f"must have no user, password, query or fragment; {keys}"
    return None


def checked_address(address: str) -> str:
    """The same. Raises ValueError for what no request could be sent to."""
    if fault := address_fault(address):
        raise ValueError(fault)
    return address


ServiceUrl = Annotated[str, AfterValidator(checked_address)]
