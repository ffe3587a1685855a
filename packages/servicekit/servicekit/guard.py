"""Who may ask what, and how much one request may take: the one place for every service. Plain ASGI."""

from collections.abc import Collection, Mapping

from contracts.errors import Problem
from fastapi import Request
from starlette.exceptions import HTTPException

from servicekit.keys import AccessKey, AccessScope, digest
from servicekit.logs import bind
from servicekit.observation import App, Message, Receive, Scope, Send, problem_response
from servicekit.settings import GuardedSettings

# Health, for whoever restarts the service, and metrics, which hold figures and no content.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
RETRY_AFTER_SECONDS = 1
LENGTH = b"content-length"
Headers = Mapping[bytes, bytes]


class Guard:
    """ASGI middleware. open_paths: paths, or beginnings of paths that end in a slash, that need no key."""

    def __init__(self, app: App, settings: GuardedSettings, open_paths: Collection[str] = ()) -> None:
        self._app = app
        self._keys = {key.sha256: key for key in settings.access_keys()}
        self._most_bytes = settings.max_body_bytes
        self._most_requests = settings.max_requests
        self._open = OPEN_PATHS | {path for path in open_paths if not path.endswith("/") or path == "/"}
        self._open_below = tuple(path for path in open_paths if path.endswith("/") and path != "/")
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))  # of several with one name, the first
        problem = self._refusal(scope, headers)
        if problem is not None:
            response = problem_response(problem, Request(scope))
            if problem.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive if headers.get(LENGTH, b"").isdigit() else self._bounded(receive), send)
        finally:
            self._in_flight -= 1

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        if scope["path"] in OPEN_PATHS:
            return None
        if self._in_flight >= self._most_requests:
            detail = f"{self._in_flight} requests are being answered; try again."
            return Problem(503, "too_many_requests", detail, retry_after=RETRY_AFTER_SECONDS)
        if int_of(headers.get(LENGTH, b"")) > self._most_bytes:
            return Problem(413, "body_too_large", f"The body is larger than {self._most_bytes} bytes.")
        if scope["method"] not in READING and headers.get(b"sec-fetch-site") == b"cross-site":
            return Problem(403, "cross_site_request", "A page of another site may not change anything here.")
        return self._key_refusal(scope, headers)

    def _key_refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        path = scope["path"]
        if not self._keys or path in self._open or path.startswith(self._open_below or ("\0",)):
            return None
        key = self._key_of(headers)
        if key is None:
            detail = "Give an API key: Authorization: Bearer KEY (socratic: SOCRATIC_API_KEY)."
            return Problem(401, "key_missing" if b"authorization" not in headers else "key_unknown", detail)
        wanted = scope_of(scope["method"])
        if key.level < wanted:
            detail = f"The key of {key.name} has scope {key.scope}; this needs {wanted.name.lower()}."
            return Problem(403, "scope_too_small", detail)
        bind(key=key.name)
        return None

    def _key_of(self, headers: Headers) -> AccessKey | None:
        kind, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return self._keys.get(digest(key.strip())) if kind.lower() == "bearer" else None

    def _bounded(self, receive: Receive) -> Receive:
        """A body without a length is counted while it comes in; the server reads no more than a told one."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise HTTPException(413, f"The body is larger than {self._most_bytes} bytes.")
            return message

        return counted


def scope_of(method: str) -> AccessScope:
    """Reading reads, POST makes things, and what replaces or deletes is for administrators."""
    if method in READING:
        return AccessScope.READ
    return AccessScope.SUBMIT if method == "POST" else AccessScope.ADMIN


def int_of(text: bytes) -> int:
    """A header's number; what is none counts as 0 (the server refuses it)."""
    return int(text) if text.isdigit() else 0
