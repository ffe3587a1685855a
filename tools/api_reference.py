"""Writes docs/openapi.json, and the reference in docs/api.md below what people wrote, from the services' documents.

`--check` writes nothing and exits 1 where one is not what the code says.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings
from servicekit.openapi import METHODS
from teacher_gateway.app import create_app
from teacher_gateway.settings import GatewaySettings

DOCS = Path(__file__).parents[1] / "docs"
MADE = """## Reference

<!-- made from the services' OpenAPI documents by `python tools/api_reference.py`; a test compares -->
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
    return "\n".join([f"\n### {title}\n", "| route | query | what |", "|---|---|---|", *rows, ""])


def pages() -> dict[str, str]:
    """File name -> the whole text."""
    orchestrator, gateway = build_app(OrchestratorSettings()).openapi(), create_app(GatewaySettings()).openapi()
    written = (DOCS / "api.md").read_text().partition(MADE)[0]
    reference = written + MADE + table("Orchestrator", orchestrator) + table("Teacher gateway", gateway)
    return {"api.md": reference, "openapi.json": json.dumps(orchestrator, indent=1, sort_keys=True) + "\n"}


def main() -> int:
    """Write or check."""
    stale = {name: text for name, text in pages().items() if not same(DOCS / name, text)}
    if "--check" not in sys.argv[1:]:
        for name, text in stale.items():
            (DOCS / name).write_text(text)
        return 0
    for name in stale:
        sys.stderr.write(f"docs/{name} is not what the code says; run python tools/api_reference.py\n")
    return 1 if stale else 0


def same(file: Path, text: str) -> bool:
    """Whether the file says the text already."""
    return file.exists() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
