"""The OpenAPI document of a service: names of operations, keys, and problems (RFC 9457) as what errors are."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

METHODS = ("get", "post", "put", "delete")
PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong and how to mend it (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "request_id", "instance"],
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
    "example": {
        "type": "urn:socratic:problem:invalid_request",
        "title": "Invalid request",
        "status": 422,
        "code": "invalid_request",
        "detail": "training.steps: Input should be greater than or equal to 0",
        "errors": [{"field": "training.steps", "message": "Input should be greater than or equal to 0"}],
        "request_id": "5f3c9a0e2b7d4c18a6e1f0d2c4b8a973",
        "instance": "/v1/jobs",
    },
}
MEANINGS = {
    400: "The body cannot be decoded.",
    401: "No API key, or an unknown one; `code` tells which. Only where the service has keys.",
    402: "The job's teacher budget does not allow the call.",
    403: "The key's scope is too small, or a page of another site asks.",
    404: "There is no such thing; `detail` tells where to find those that there are.",
    409: "Not in the present state; `detail` tells what is allowed.",
    413: "The body is larger than this service takes.",
    422: "The input is wrong; `errors` names each field.",
    429: "Too much at once; try again after `Retry-After` seconds.",
    500: "An unexpected error; the log has it under `request_id`.",
    501: "What was asked for is not possible with this teacher.",
    502: "A neighbour answered what nobody can use.",
    503: "The service, or a neighbour that it needs, cannot take this now; try again after `Retry-After` seconds.",
    504: "No answer in time.",
}
RETRY_LATER = frozenset({429, 503})
KEY_SCHEME = "api_key"
SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`python -m servicekit.keys`), where the service has keys: scope `read` for GET, "
    "`submit` for POST, `admin` for the rest.",
}


def operation_id(route: APIRoute) -> str:
    """The name of the handler: short, and the same however paths move."""
    return route.name


def problem(status: int) -> dict[str, Any]:
    """The response of a status whose body is a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    response = {"description": MEANINGS[status], "content": {"application/problem+json": {"schema": schema}}}
    if status in RETRY_LATER:
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return response


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: the problems of its own, beside those that every operation may answer."""
    return {status: problem(status) for status in statuses}


def links(parameters: Mapping[str, str], operation_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Where a response leads: operations that take these parameters from it (OpenAPI runtime expressions)."""
    return {name: {"operationId": name, "parameters": dict(parameters)} for name in operation_ids}


class Service(FastAPI):
    """A FastAPI whose document tells of keys, and of problems instead of FastAPI's own error bodies.

    direct_paths: of its direct routes. within: what its own layers enclose, there since its lifespan began.
    """

    needs_key = False
    direct_paths: Collection[str] = ()
    within: ASGIApp

    def build_middleware_stack(self) -> ASGIApp:
        """As FastAPI's."""
        self.add_middleware(self._remember)
        return super().build_middleware_stack()

    def _remember(self, app: ASGIApp) -> ASGIApp:
        self.within = app
        return app

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = with_keys(with_problems(super().openapi()), self.needs_key)
        return self.openapi_schema


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the errors that every operation below /v1 may answer; changed in place."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for operation in operations_below(document, "/v1/"):
        responses = operation["responses"]
        for status in common_problems(operation):
            responses[str(status)] = problem(status)
        operation["responses"] = {status: responses[status] for status in sorted(responses)}
        for parameter in operation.get("parameters", []):
            parameter["schema"] = never_null(parameter["schema"])
    return document


def never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter that may be left out: on the wire there is no null, only the text `null`."""
    kinds = schema.get("anyOf", [])
    others = [kind for kind in kinds if kind != {"type": "null"}]
    if len(others) == len(kinds):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | (others[0] if len(others) == 1 else {"anyOf": others})


def common_problems(operation: Mapping[str, Any]) -> list[int]:
    """What the guard, the parser and Redis may answer to this operation, whatever it does."""
    common = [401, 403, 500, 503]
    common += [422] if "422" in operation["responses"] else []
    return common + ([400, 413] if "requestBody" in operation else [])


def with_keys(document: dict[str, Any], needed: bool) -> dict[str, Any]:
    """The document with the key of every operation below /v1; one that may be left out unless it is `needed`."""
    document["components"]["securitySchemes"] = {KEY_SCHEME: SECURITY_SCHEME}
    for operation in operations_below(document, "/v1/"):
        operation["security"] = [{KEY_SCHEME: []}] if needed else [{KEY_SCHEME: []}, {}]
    return document


def operations_below(document: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Every operation whose path begins so."""
    items = [item for path, item in document["paths"].items() if path.startswith(prefix)]
    return [item[method] for item in items for method in METHODS if method in item]
