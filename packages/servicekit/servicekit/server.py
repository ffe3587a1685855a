"""Runs an app under uvicorn and tells whoever started the process which port it got."""

import socket

import uvicorn
from fastapi import FastAPI

from servicekit.answers import WholeAnswers
from servicekit.openapi import Service
from servicekit.settings import ServiceSettings
from servicekit.shortcut import Shortcut

# Long enough for a request in flight (a generation, a weight swap) to end; a supervisor kills after it.
GRACEFUL_SHUTDOWN_SECONDS = 5


def serve(app: FastAPI, settings: ServiceSettings, protocol: type[WholeAnswers] = WholeAnswers) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
    config.load()
    if isinstance(app, Service):
        config.loaded_app = Shortcut(app, config.loaded_app)
    # Without the protocol named, asyncio does not set TCP_NODELAY and every answer waits 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    uvicorn.Server(config).run(sockets=[listener])
