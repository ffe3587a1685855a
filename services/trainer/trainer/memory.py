"""How much memory the trainer holds: resident now, and at most so far."""

import resource
import sys
from dataclasses import dataclass
from pathlib import Path

STATM = Path("/proc/self/statm")
# ru_maxrss counts kibibytes on Linux and bytes on macOS.
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Memory:
    """Of this process, bytes."""

    resident_bytes: int
    peak_bytes: int


def memory_now() -> Memory:
    """Resident memory is 0 on systems without /proc; the peak is known everywhere."""
    pages = int(STATM.read_text().split()[1]) if STATM.exists() else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT
    return Memory(pages * resource.getpagesize(), peak)
