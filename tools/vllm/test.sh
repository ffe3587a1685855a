#!/bin/sh
# Real vLLM on this machine's CPU as a local teacher: a job, the scoring door, and the launcher. Installs it when absent.
set -eu
cd "$(dirname "$0")/../.."
venv=${VLLM_VENV:-.socratic/vllm-venv}
tools/vllm/install.sh "$venv"
VLLM_PYTHON="$venv/bin/python" exec .venv/bin/pytest tests/real_engines/test_vllm_teacher.py --timeout=1800 "$@"
