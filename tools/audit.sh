#!/usr/bin/env bash
# pip-audit in an environment of its own, so that it is no dependency of ours. Exit 1 when an advisory is
# found, and also when a package could not be looked up: silence must not read as safety.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .audit/bin/pip-audit ] || { python3 -m venv .audit && .audit/bin/pip install -q pip-audit; }
.venv/bin/python -m pip freeze --exclude-editable | grep -v ' @ ' > .audit/requirements.txt
.audit/bin/pip-audit --requirement .audit/requirements.txt --no-deps --disable-pip --strict --progress-spinner off
echo "audit: ok"
