#!/usr/bin/env bash
# Makes .env from .env.example with fresh secrets. An .env that exists is left alone: its secrets open existing data.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-.env}
[ ! -e "$target" ] || { echo "env: $target exists and is left as it is"; exit 0; }
secret() { python3 -c 'import secrets; print(secrets.token_urlsafe(32))'; }
umask 077
while IFS= read -r line; do
  case $line in
    REDIS_PASSWORD=|SERVICE_KEY=|STUDENT_API_KEY=|STUDENT_ADMIN_KEY=|GRAFANA_ADMIN_PASSWORD=) echo "$line$(secret)" ;;
    *) echo "$line" ;;
  esac
done <.env.example >"$target"
echo "env: $target made; docker compose up --build"
