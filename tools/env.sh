#!/usr/bin/env bash
# Makes .env from .env.example, with a fresh value for everything under "Secrets" there. An .env that exists is left
# alone: its secrets open existing data.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-.env}
[ ! -e "$target" ] || { echo "env: $target exists and is left as it is"; exit 0; }
secret() { python3 -c 'import secrets; print(secrets.token_urlsafe(32))'; }
umask 077
section=
while IFS= read -r line; do
  case $line in '# ---'*) section=$line ;; esac
  case $section:$line in
    *Secrets*:[A-Z]*=) echo "$line$(secret)" ;;
    *) echo "$line" ;;
  esac
done <.env.example >"$target"
echo "env: $target made; docker compose up --build"
