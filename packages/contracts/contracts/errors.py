"""One error type for everything that a user can get wrong or must hear about (RFC 9457)."""

from typing import Any


class Problem(Exception):
    """An error with its HTTP meaning.

    status: HTTP status code. code: a stable machine-readable word. detail: what is wrong and how to mend it.
    field: dotted path of the offending field of the request. retry_after: seconds, for 429 and 503.
    errors: several `{"field", "message"}` at once.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
        self.errors = errors or ([{"field": field, "message": detail}] if field else [])

    def as_dict(self) -> dict[str, Any]:
        """The members of a problem+json body."""
        body: dict[str, Any] = {
            "type": f"urn:socratic:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        if self.errors:
            body["errors"] = self.errors
        return body


def invalid(field: str, detail: str) -> Problem:
    """A 422 that names the field and the fix."""
    return Problem(422, "invalid_request", f"{field}: {detail}", field=field)
