"""`python -m teacher_gateway`: guidance from any teacher over HTTP."""

import os
import sys

from servicekit.heap import settle_heap, widen_pages
from servicekit.logs import configure_logs
from servicekit.server import serve
from servicekit.settings import parse_settings

from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = parse_settings(GatewaySettings, "teacher_gateway", "Guidance from any teacher over HTTP.")
    configure_logs("teacher-gateway", settings.log_level, settings.log_format)
    try:
        app = create_app(settings, os.environ, on_ready=settle)
    except ValueError as error:
        sys.exit(f"teacher_gateway: {error}")
    serve(app, settings)


def settle() -> None:
    """Each full look of the collector at what was loaded would stop every guidance for some 50 ms."""
    settle_heap()
    widen_pages()


if __name__ == "__main__":
    main()
