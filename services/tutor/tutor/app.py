"""Wiring of the tutor."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from servicekit.app import create_service

from tutor.chat import ChatError
from tutor.routes import answer_chat_error, answer_invalid, router
from tutor.settings import TutorSettings


def create_app(settings: TutorSettings | None = None) -> FastAPI:
    """The service; errors below it have OpenAI's shape, since its callers are OpenAI clients."""
    app = create_service("tutor", [router], CollectorRegistry(), guard=settings or TutorSettings())
    app.add_exception_handler(ChatError, answer_chat_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app
