#!/usr/bin/env bash
# Makes .venv with every room installed editable. Does nothing when it is up to date. Needs Python 3.11 or newer, no root.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv/.installed
rooms=(packages/* services/*)
wanted=$(cat constraints.txt requirements-dev.txt "${rooms[@]/%//pyproject.toml}" tools/setup.sh | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $PWD" ]; then exit 0; fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "setup: needs Python 3.11 or newer; set PYTHON=" >&2; exit 2; }
"$python" -c 'import ensurepip, venv' || { echo "setup: this Python has no venv; on Debian: apt-get install python3-venv" >&2; exit 2; }
echo "setup: installing into .venv (a minute or two; once)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"; }
pip install -q --upgrade 'setuptools>=77' wheel
# torch first and by exact version: any other route may pull gigabytes of CUDA packages.
pip install -q torch==2.13.0
pip install -q -c constraints.txt -r requirements-dev.txt
pip install -q -c constraints.txt --no-build-isolation $(printf -- "-e ./%s " "${rooms[@]}")
echo "$wanted $PWD" >"$stamp"
echo "setup: done"
