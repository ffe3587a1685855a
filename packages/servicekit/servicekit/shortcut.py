"""The way of a direct route past what uvicorn, Starlette and FastAPI put around our own middleware (decision 30).

Forwarded addresses, telemetry that nobody set up, errors that ours has caught, a bound on bodies that ours keeps: each
is a coroutine that a call enters and leaves, and passes again each time it goes on after a wait.
"""

from collections.abc import Awaitable

from servicekit.observation import App, Receive, Scope, Send
from servicekit.openapi import Service


class Shortcut:
    """What uvicorn calls. `whole` is the service with everything around it."""

    def __init__(self, service: Service, whole: App) -> None:
        self._service = service
        self._whole = whole

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        service = self._service
        if scope["type"] != "http" or scope["path"] not in service.direct_paths:
            return self._whole(scope, receive, send)
        scope["app"] = service
        return service.within(scope, receive, send)
