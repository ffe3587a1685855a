#!/bin/sh
# Install real SGLang for a CPU machine into an environment of its own (3.4 GB): tools/sglang/install.sh [DIRECTORY]
# It cannot share ours: SGLang pins other versions of what both need.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-.socratic/sglang-venv}
installed="$venv/installed-from"
if cmp -s "$here/requirements.txt" "$installed"; then exit 0; fi

${PYTHON:-.venv/bin/python} -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
# torchvision comes as a CUDA build only; serve.py keeps it from failing beside a torch for CPUs.
"$venv/bin/pip" install --quiet --no-deps sglang==0.5.23 torchvision==0.28.0
cp "$here/requirements.txt" "$installed"
