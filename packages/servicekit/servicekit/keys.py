"""API keys with scopes. A service keeps only their SHA-256: whoever reads its files or environment cannot use them.

`python -m servicekit.keys NAME --scope submit --file keys.json` makes one. Keys are 256 random bits, so that no salt
and no slow hash is needed against guessing.
"""

import argparse
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

KEY_PREFIX = "socratic-"
KEY_BYTES = 32


class AccessScope(IntEnum):
    """What a key may do; each includes those before it."""

    READ = 1
    SUBMIT = 2
    ADMIN = 3


class AccessKey(BaseModel):
    """One line of the keys file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80, description="Whose it is; shown in the log.")]
    scope: Annotated[str, Field(pattern="^(read|submit|admin)$", description="read, submit or admin.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the key, in hexadecimal.")]

    @property
    def level(self) -> AccessScope:
        """The scope as a number that can be compared."""
        return AccessScope[self.scope.upper()]


_keys: TypeAdapter[list[AccessKey]] = TypeAdapter(list[AccessKey])


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def load_keys(path: Path) -> list[AccessKey]:
    """Raises ValueError when the file cannot be read, is no list of keys, or is empty."""
    try:
        found = _keys.validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {place}: {first['msg']}; make keys with python -m servicekit.keys") from None
    if not found:
        raise ValueError(f"{path} has no key; make one with python -m servicekit.keys NAME --file {path}")
    return found


def add_key(path: Path, name: str, scope: str) -> str:
    """Make a key, keep its hash in the file, and return it: it is never seen again. Raises ValueError and OSError."""
    known = load_keys(path) if path.exists() else []
    if any(key.name == name for key in known):
        raise ValueError(f"{path} has a key of {name} already; take another name, or delete its entry first")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    kept = [*known, AccessKey(name=name, scope=scope, sha256=digest(key))]
    unfinished = path.with_name(f".unfinished-{path.name}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump([item.model_dump() for item in kept], file, indent=1)
    unfinished.replace(path)
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m servicekit.keys", description="Make an API key.")
    parser.add_argument("name", help="whose it is")
    parser.add_argument("--scope", choices=["read", "submit", "admin"], default="read", help="what it may do")
    parser.add_argument("--file", type=Path, default=Path("keys.json"), help="the services' KEYS_FILE; made if missing")
    given = parser.parse_args(arguments)
    try:
        key = add_key(given.file, given.name, given.scope)
    except (ValueError, OSError) as error:
        parser.exit(2, f"python -m servicekit.keys: {error}\n")
    os.write(1, f"{key}\n".encode())
    os.write(2, f"Kept as a hash in {given.file}. Nobody can show this key again; restart the services.\n".encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
