"""Takes the last record off Redis' append-only file: what a crash of the machine may leave of it."""

import sys
from pathlib import Path


def record_ends(data: bytes) -> list[int]:
    """Where each complete record ends; MULTI ... EXEC is one record. The format is that of the protocol (RESP)."""
    ends, at, inside = [], 0, False
    while (record := read_record(data, at)) is not None:
        name, at = record
        inside = name == b"MULTI" or (inside and name != b"EXEC")
        if not inside:
            ends.append(at)
    return ends


def read_record(data: bytes, at: int) -> tuple[bytes, int] | None:
    """(command name, where the record ends), None at the end of what is complete."""
    name = b""
    count, at = read_number(data, at, b"*")
    for index in range(count):
        length, at = read_number(data, at, b"$")
        if index == 0:
            name = data[at : at + length].upper()
        at += length + 2
    return None if count < 1 or at > len(data) else (name, at)


def read_number(data: bytes, at: int, kind: bytes) -> tuple[int, int]:
    """The number of a header line such as `*3`, and where the line ends; (-1, at) where there is none."""
    end = data.find(b"\r\n", at)
    if end < 0 or data[at : at + 1] != kind:
        return -1, at
    return int(data[at + 1 : end]), end + 2


def cut_last_record(directory: Path) -> int:
    """Returns how many bytes were cut. Redis 6.2 has one file, 7 and later have parts of which the last one grows."""
    files = sorted(directory.rglob("*.aof"), key=lambda path: path.stat().st_mtime)
    data = files[-1].read_bytes()
    ends = record_ends(data)
    files[-1].write_bytes(data[: ends[-2]])
    return len(data) - ends[-2]


if __name__ == "__main__":
    sys.stdout.write(f"cut {cut_last_record(Path(sys.argv[1]))} bytes off the append-only file\n")
