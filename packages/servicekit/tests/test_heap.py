"""The heap in large pages: which, that the kernel makes them where it can, and that all stays as it was."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from servicekit.heap import HUGE_PAGE_BYTES, heap_pages

FULL, HALF_EMPTY = 6144, 1000  # KiB of the first mapping's 6 MiB
SMAPS = """\
00400000-00a00000 rw-p 00000000 00:00 0                                  [heap]
Size:               6144 kB
Rss:                {rss} kB
VmFlags: rd wr mr mw me ac sd
10000000-10100000 rw-p 00000000 00:00 0
Rss:                1024 kB
VmFlags: rd wr mr mw me ac sd
20100000-20700000 rw-p 00000000 00:00 0 
Rss:                5000 kB
VmFlags: rd wr mr mw me ac sd
30000000-30400000 r--p 00000000 00:00 0
Rss:                4096 kB
VmFlags: rd mr mw me sd
40000000-40400000 rw-p 00000000 08:01 77                                 /usr/lib/some lib.so
Rss:                4096 kB
VmFlags: rd wr mr mw me ac sd
50000000-50400000 rw-s 00000000 00:01 0                                  /dev/zero (deleted)
Rss:                4096 kB
7ffd00000000-7ffd00800000 rw-p 00000000 00:00 0                          [stack]
Rss:                8192 kB
"""
WIDENED = """
from pathlib import Path
from servicekit.heap import MAPPINGS, heap_pages, settle_heap, widen_pages
kept = [str(number) * 10 for number in range(1_000_000)]
settle_heap()
whole = list(heap_pages(MAPPINGS.read_text()))
widen_pages()
assert all(text == str(number) * 10 for number, text in enumerate(kept))
(line,) = [line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("AnonHuge")]
print(len(whole), line.split()[1])
"""


def test_only_whole_pages_of_the_heap_that_are_in_use() -> None:
    second = [0x20200000, 0x20400000]
    assert list(heap_pages(SMAPS.format(rss=FULL))) == [0x400000, 0x600000, 0x800000, *second]
    assert list(heap_pages(SMAPS.format(rss=HALF_EMPTY))) == second
    assert HUGE_PAGE_BYTES == 0x200000


def kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split(".")[:2] if part.isdecimal())


@pytest.mark.skipif(
    sys.platform != "linux" or kernel() < (6, 1) or not Path("/sys/kernel/mm/transparent_hugepage").exists(),
    reason="the kernel has no MADV_COLLAPSE",
)
def test_the_kernel_makes_them() -> None:
    done = subprocess.run([sys.executable, "-c", WIDENED], capture_output=True, text=True, timeout=60, check=True)
    whole, made_kib = map(int, done.stdout.split())
    assert whole >= 10, "how the heap lies is chance; the list and its texts take over 100 MiB"
    assert made_kib >= whole * 1024, "a kernel that has memory makes all of 2 MiB, a few may be refused"
