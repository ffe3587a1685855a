"""`python -m teacher_gateway`: guidance from any teacher over HTTP."""

import os
import sys

from servicekit.heap import settle_heap
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
        # Each full look of the collector at what was loaded would stop every guidance for some 50 ms.
        app = create_app(settings, os.environ, on_ready=settle_heap)
    except ValueError as error:
        sys.exit(f"teacher_gateway: {error}")
    serve(app, settings)


if __name__ == "__main__":
    main()
