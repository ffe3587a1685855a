"""HTTP answers and broken connections -> Problems with the server's field and fix."""

from typing import Any

import httpx2
from contracts.errors import Problem

# Enough of a foreign error page to recognise it.
EXCERPT_CHARACTERS = 200


def raise_for_problem(response: httpx2.Response) -> None:
    """Raises the Problem that a 4xx or 5xx answer carries; the body must have been read."""
    if response.is_success:
        return
    body = problem_body(response)
    detail = str(body.get("detail") or f"HTTP {response.status_code}: {response.text[:EXCERPT_CHARACTERS]}")
    if response.status_code >= 500 and "request_id" in body:
        detail += f" (request id {body['request_id']})"
    raise Problem(
        response.status_code,
        str(body.get("code", "http_error")),
        detail,
        field=body.get("field"),
        retry_after=retry_after(response),
        errors=body.get("errors"),
    )


def problem_body(response: httpx2.Response) -> dict[str, Any]:
    """The members of problem+json; empty for anything else."""
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def retry_after(response: httpx2.Response) -> int | None:
    """Seconds of Retry-After; its date form is not used by our services."""
    value = response.headers.get("retry-after", "")
    return int(value) if value.isdigit() else None


def unreachable(url: str, error: Exception) -> Problem:
    """Nobody answers at this address."""
    reason = str(error) or type(error).__name__
    return Problem(503, "unreachable", f"No answer from {url}: {reason}. Is the stack running? socratic status")
