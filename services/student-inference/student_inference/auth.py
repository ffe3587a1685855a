"""Bearer keys as SGLang checks them: one for generation, one for the routes that change the engine."""

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PREFIXES = ("/health", "/ready", "/metrics")
ADMIN_PATHS = frozenset(
    {
        "/update_weights_from_disk",
        "/update_weights_from_distributed",
        "/update_weights_from_tensor",
        "/update_weight_version",
        "/init_weights_update_group",
        "/destroy_weights_update_group",
        "/begin_weight_update",
        "/end_weight_update",
        "/prepare_weights",
        "/upload_weights",
        "/update_weights_from_upload",
        "/flush_cache",
        "/abort_request",
        "/pause_generation",
        "/continue_generation",
    }
)


class BearerKeys:
    """ASGI middleware. Admin routes take the admin key if there is one, else the API key; all others the API key alone.

    Empty keys guard nothing.
    """

    def __init__(self, app: ASGIApp, api_key: str, admin_api_key: str) -> None:
        self.app, self.api_key, self.admin_api_key = app, api_key, admin_api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self.admits(scope["path"], Headers(scope=scope)):
            await JSONResponse({"error": "Unauthorized"}, 401)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def admits(self, path: str, headers: Headers) -> bool:
        key = (self.admin_api_key or self.api_key) if path in ADMIN_PATHS else self.api_key
        if not key or path.startswith(OPEN_PREFIXES):
            return True
        return hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {key}".encode())
