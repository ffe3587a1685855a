#!/usr/bin/env bash
# What CI runs before the tests: format, lint, strict types, size ratchet. Import boundaries are tests of packages/contracts.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/ruff format --check .
.venv/bin/ruff check .
typed=(packages/*/*/py.typed services/*/*/py.typed)
.venv/bin/mypy "${typed[@]%/py.typed}" tools/*.py
.venv/bin/python tools/size_ratchet.py
echo "check: ok"
