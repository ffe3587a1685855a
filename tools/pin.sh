#!/usr/bin/env bash
# Pins the images of .env: replaces NAME_IMAGE=repository:tag by repository:tag@sha256:..., as the registry has it now.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-.env}
grep -E '^[A-Z]+_IMAGE=' "$target" | while IFS='=' read -r name image; do
  case $image in *@sha256:*) continue ;; esac
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
  sed -i "s|^$name=.*|$name=$image@$digest|" "$target"
  echo "pin: $name=$image@$digest"
done
