#!/usr/bin/env bash
# Known vulnerabilities of every installed package, by pip-audit in an environment of its own, so that it is no
# dependency of ours. Exit 1: an advisory was found. Exit 3: nobody here could be asked; silence must not read as safety.
# AUDIT_OSV_URL names a mirror of OSV's query route for networks without the internet.
set -euo pipefail
cd "$(dirname "$0")/.."
osv=${AUDIT_OSV_URL:-https://api.osv.dev/v1/query}
known=https://pypi.org/pypi/pip/24.0/json
pip_audit=pip-audit==2.10.1

# Whether a URL answers 200 within seconds; $2 is a body to POST. Python is there wherever we are, curl is not.
answers() {
  .venv/bin/python - "$@" <<'PYTHON'
import sys, urllib.request
try:
    body = sys.argv[2].encode() if len(sys.argv) > 2 else None
    request = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
    sys.exit(urllib.request.urlopen(request, timeout=10).status != 200)
except OSError as error:
    sys.stderr.write(f"audit: {sys.argv[1]}: {error}\n")
    sys.exit(1)
PYTHON
}

if answers "$osv" '{"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "24.0"}'; then
  source=(--vulnerability-service osv --osv-url "$osv")
elif answers "$known"; then
  source=(--vulnerability-service pypi)
else
  echo "audit: NOT DONE, nothing was checked: neither OSV nor PyPI's JSON API answers here (set AUDIT_OSV_URL to a mirror)" >&2
  exit 3
fi
[ -x .audit/bin/pip-audit ] || { python3 -m venv .audit && .audit/bin/pip install -q "$pip_audit"; }
.venv/bin/python -m pip freeze --exclude-editable | grep -v ' @ ' > .audit/requirements.txt
.audit/bin/pip-audit --requirement .audit/requirements.txt --no-deps --disable-pip --strict --progress-spinner off \
  --cache-dir .audit/cache "${source[@]}"
echo "audit: ok, $(wc -l < .audit/requirements.txt) packages"
