"""What was loaded once and stays: the garbage collector need not look at it again, and it may lie in large pages."""

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Objects more than there were before the young ones are looked at. A request makes and drops thousands, nearly all of
# them outside any cycle: at Python's own 700 a service looks at them several times a request. Hundreds of requests in
# flight hold more than 20,000, each look at which took 10 ms.
YOUNG_OBJECTS = 50_000
HUGE_PAGE_BYTES = 1 << 21
MADV_COLLAPSE = 25  # of Linux since 6.1
MAPPINGS = Path("/proc/self/smaps")
HEAP = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*(?:\[heap\])?$")
KIBI = 1024


def settle_heap() -> None:
    """Let the collector pass over everything that is there now. Blocks for one full collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def widen_pages() -> None:
    """Put the heap as it is now into pages of 2 MiB, where the kernel can (decision 32). Takes some 1 ms for each.

    A service that rests between calls finds its caches filled by others, and among them those of page addresses.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    for start in heap_pages(MAPPINGS.read_text()):
        # Refused by older kernels, and where memory is scattered: then all stays as it is.
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(HUGE_PAGE_BYTES), MADV_COLLAPSE)


def heap_pages(mappings: str) -> Iterator[int]:
    """Where a huge page would lie wholly within memory of no file, as /proc/self/smaps lists it.

    Not where less than half is in use, as in the stacks of threads.
    """
    first = end = 0
    for line in mappings.splitlines():
        if found := HEAP.match(line):
            first, end = int(found[1], 16), int(found[2], 16)
        elif line.startswith("Rss:") and 2 * KIBI * int(line.split()[1]) >= end - first > 0:
            first += -first % HUGE_PAGE_BYTES
            yield from range(first, end - HUGE_PAGE_BYTES + 1, HUGE_PAGE_BYTES)
            first = end = 0
        elif line.startswith("VmFlags:"):
            first = end = 0
