"""Structured logs: one JSON object a line (or coloured text), with job and episode ids bound where they are known."""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

import structlog

add_stack = structlog.processors.StackInfoRenderer()
# One variable, where structlog's own has one a field: a request binds and unbinds half a dozen.
_fields: ContextVar[Mapping[str, Any]] = ContextVar("fields", default=MappingProxyType({}))


def bind(**fields: Any) -> None:
    """Let every further line of this task tell these."""
    _fields.set({**_fields.get(), **fields})


class Bound:
    """Let every line within the block tell these fields."""

    def __init__(self, **fields: Any) -> None:
        self._own = fields

    def __enter__(self) -> Self:
        self._token = _fields.set({**_fields.get(), **self._own})
        return self

    def __exit__(self, *raised: object) -> None:
        _fields.reset(self._token)


def add_bound(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """The processor that puts the bound fields into a line, whose own win."""
    return {**_fields.get(), **event}


class JsonLine:
    """All processors of a JSON line in one. Errors and stacks are left to structlog's own."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._encode = json.JSONEncoder(default=repr).encode

    def __call__(self, logger: Any, method: str, event: structlog.types.EventDict) -> str:
        if "exc_info" in event or "stack_info" in event:
            event = structlog.processors.format_exc_info(logger, method, add_stack(logger, method, event))
        # The service is no context variable: those are lost in the threads that a service starts itself.
        fields = {"service": self._service, **_fields.get(), **event}
        fields["level"] = method
        fields["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return self._encode(fields)


def configure_logs(service: str, level: str = "info", log_format: str = "json") -> None:
    """Send structlog and the standard library's logging to stderr in one form; ours goes there without a detour."""

    def name_service(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        # Not a context variable: those are lost in the threads that a service starts itself.
        return {"service": service, **event}

    shared: list[structlog.types.Processor] = [
        add_bound,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    rendering: list[structlog.types.Processor] = [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[JsonLine(service)] if log_format == "json" else [*shared, *rendering],
        # What the level drops is dropped before any processor runs.
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # At debug, client libraries write whole requests and answers: prompts, guidance, headers.
    root.setLevel(max(logging.INFO, getattr(logging, level.upper())))
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
