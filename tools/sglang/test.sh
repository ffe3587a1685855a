#!/bin/sh
# The contract suite against real SGLang on this machine's CPU, and a complete training job with it. Installs it when absent.
set -eu
cd "$(dirname "$0")/../.."
venv=${SGLANG_VENV:-.socratic/sglang-venv}
tools/sglang/install.sh "$venv"
# SGLang starts in half a minute on a quiet machine, in minutes on a loaded one.
SGLANG_PYTHON="$venv/bin/python" exec .venv/bin/pytest tests/engine_contract \
  tests/real_engines/test_sglang_launcher.py --timeout=1200 "$@"
