"""Serves the web UI: one page of HTML whatever the view, and its modules, styles and vendored files."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
VIEWS = ["/", "/new", "/compare", "/teachers", "/jobs/{path:path}", "/episodes/{path:path}"]
# Pages and scripts hold no data: they ask the API for it, with the user's key.
OPEN_PATHS = ["/", "/new", "/compare", "/teachers", "/jobs/", "/episodes/", "/static/"]
# Nothing inline, nothing from elsewhere, and no string ever becomes markup: what a model wrote stays text.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Files are asked for again and answered with 304 until they change: an upgrade shows at once.
    "Cache-Control": "no-cache",
}
router = APIRouter(include_in_schema=False)


class GuardedFiles(StaticFiles):
    """Static files with the same headers as the page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or Starlette's 404."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


async def show_page() -> Response:
    """The page; its script reads the address and asks the API for what it shows."""
    return FileResponse(STATIC / "index.html", headers=HEADERS)


for view in VIEWS:
    router.add_api_route(view, show_page, methods=["GET"])
router.mount("/static", GuardedFiles(directory=STATIC), name="static")
