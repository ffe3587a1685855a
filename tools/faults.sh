#!/usr/bin/env bash
# The whole fault matrix; the last line is the one that scripts read.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cc >/dev/null && [ "$(id -u)" = 0 ]; then  # the clock that can be set is compiled
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
.venv/bin/pytest -m faults -q -s tests/faults | tee "$log"
grep '^faults: ' "$log"
