"""Writes docs/api.md from the OpenAPI documents of the orchestrator and the teacher gateway.

`--check` writes nothing and exits 1 where the page is not what the code says.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

PAGE = Path(__file__).parents[1] / "docs/api.md"
METHODS = ("get", "post", "put", "delete")
INTRODUCTION = """# API

Made from the services' OpenAPI documents by `python tools/api_reference.py`; a test compares. A running service gives
the whole of it, with every field, at `/openapi.json` (with a key, where it asks for keys). The Python client is
`socratic.client`.

Errors are `application/problem+json` (RFC 9457) with `code`, `detail`, `request_id` and, for bad input,
`errors: [{field, message}]`. Lists have `data`, `has_more` and `last_id`, which is the next page's `after`. Keys go as
`Authorization: Bearer KEY`; which scope a method needs is in the [threat model](threat-model.md). `POST /v1/jobs` with
an `Idempotency-Key` makes one job however often it is sent.
"""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(method, path, parameters, first sentence) of every route below /v1."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and path.startswith("/v1/"):
                query = [each["name"] for each in item[method].get("parameters", []) if each["in"] == "query"]
                said = item[method].get("description") or item[method]["summary"]
                yield method.upper(), path, ", ".join(f"`{name}`" for name in query), said.split("\n\n")[0]


def table(title: str, document: dict[str, Any]) -> str:
    """One service."""
    rows = [
        f"| `{method} {path}` | {query} | {' '.join(said.split()).replace('|', chr(92) + '|')} |"
        for method, path, query, said in operations(document)
    ]
    return "\n".join([f"\n## {title}\n", "| route | query | what |", "|---|---|---|", *rows, ""])


def page() -> str:
    """The whole page."""
    orchestrator, gateway = build_app(OrchestratorSettings()).openapi(), create_app(GatewaySettings()).openapi()
    return INTRODUCTION + table("Orchestrator", orchestrator) + table("Teacher gateway", gateway)


def main() -> int:
    """Write or check."""
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    sys.stderr.write("docs/api.md is not what the code says; run python tools/api_reference.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
