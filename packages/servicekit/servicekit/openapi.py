"""The OpenAPI document of a service: names of operations, and problems (RFC 9457) as what errors are."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

METHODS = ("get", "post", "put", "delete")
PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong and how to mend it (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:socratic:problem: and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer", "description": "The HTTP status."},
        "code": {"type": "string", "description": "A stable word for programs."},
        "detail": {"type": "string", "description": "What is wrong and the fix, for people."},
        "field": {"type": "string", "description": "Dotted path of the offending field."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "request_id": {"type": "string", "description": "The same as in the service's log."},
        "instance": {"type": "string", "description": "The path that was asked."},
    },
}


def operation_id(route: APIRoute) -> str:
    """The name of the handler: short, and the same however paths move."""
    return route.name


def problem(description: str) -> dict[str, Any]:
    """A response whose body is a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


class Service(FastAPI):
    """A FastAPI whose document tells of problems instead of FastAPI's own error bodies, which no service sends."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = with_problems(super().openapi())
        return self.openapi_schema


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the errors of every operation below /v1 as problems; changed in place."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for path, item in document["paths"].items():
        for operation in (item[method] for method in METHODS if method in item and path.startswith("/v1/")):
            if "422" in operation["responses"]:
                operation["responses"]["422"] = problem("The input is wrong; `errors` names each field.")
            operation["responses"]["default"] = problem("A problem; `code` tells which.")
    return document
