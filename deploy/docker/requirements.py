"""`requirements.py ROOM...`: the third-party requirements of rooms and of the rooms that they use, one a line.

With `--rooms` the names of those rooms instead. Run in the image build, so that dependencies get a layer of their own,
which a change of the code leaves as it is. Needs the standard library alone.
"""

import re
import sys
import tomllib
from pathlib import Path

OWN = "socratic-"


def projects(root: Path) -> dict[str, list[str]]:
    """Dependencies by distribution name of every room below `root`."""
    tables = [tomllib.loads(path.read_text())["project"] for path in sorted(root.glob("*/*/pyproject.toml"))]
    return {table["name"]: table["dependencies"] for table in tables}


def name_of(requirement: str) -> str:
    """The distribution that a requirement names."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def closure(name: str, known: dict[str, list[str]]) -> set[str]:
    """The room and every room below it. Raises KeyError for a name that is no room."""
    below = [closure(name_of(item), known) for item in known[name] if name_of(item).startswith(OWN)]
    return {name}.union(*below)


def main(arguments: list[str]) -> None:
    known = projects(Path())
    names = [OWN + argument for argument in arguments if argument != "--rooms"]
    rooms = set[str]().union(*(closure(name, known) for name in names))
    outside = {item for room in rooms for item in known[room] if not name_of(item).startswith(OWN)}
    sys.stdout.write("\n".join(sorted(rooms if "--rooms" in arguments else outside)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
