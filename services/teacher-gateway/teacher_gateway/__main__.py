"""`python -m teacher_gateway`: guidance from any teacher over HTTP."""

import gc
import os
import sys

from servicekit.logs import configure_logs
from servicekit.server import serve
from servicekit.settings import parse_settings

from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings


def settle_heap() -> None:
    """Let the collector pass over what was loaded: each full look at it stops every guidance for some 50 ms."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = parse_settings(GatewaySettings, "teacher_gateway", "Guidance from any teacher over HTTP.")
    configure_logs("teacher-gateway", settings.log_level, settings.log_format)
    try:
        app = create_app(settings, os.environ, on_ready=settle_heap)
    except ValueError as error:
        sys.exit(f"teacher_gateway: {error}")
    serve(app, settings)


if __name__ == "__main__":
    main()
