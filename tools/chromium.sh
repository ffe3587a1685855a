#!/usr/bin/env bash
# Makes sure that there is a Chromium for tests/browser and the screenshots. Debian's package, as root; else says how.
set -euo pipefail
if command -v chromium chromium-browser google-chrome >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "chromium: not installed; on Debian: sudo apt-get install chromium" >&2
  exit 2
fi
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
