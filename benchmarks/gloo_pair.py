"""Two idle processes and gloo between them: what a broadcast needs by itself."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from processes import free_port
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore

PATIENCE = timedelta(seconds=120)
# A peer that was killed with its group says nothing for so long.
FAREWELL_SECONDS = 10.0


class Side:
    """One of two: number 0 sends. Tensors of these shapes, fp32."""

    def __init__(self, number: int, port: int, shapes: Sequence[Sequence[int]]) -> None:
        store = TCPStore("127.0.0.1", port, 2, number == 0, PATIENCE, wait_for_workers=False)
        self.group = ProcessGroupGloo(PrefixStore("pair", store), number, 2, PATIENCE)
        self.tensors = [torch.ones(tuple(shape)) for shape in shapes]

    def round(self) -> float:
        """Seconds from when both are ready until both have all."""
        self.group.barrier().wait(PATIENCE)
        started = time.perf_counter()
        for work in [self.group.broadcast(tensor, 0) for tensor in self.tensors]:
            work.wait(PATIENCE)
        self.group.barrier().wait(PATIENCE)
        return time.perf_counter() - started


@contextmanager
def gloo_pair(shapes: Sequence[Sequence[int]]) -> Iterator[Side]:
    """The sending side; the other one is a process that follows it."""
    port = free_port()
    peer = subprocess.Popen([sys.executable, __file__, str(port), json.dumps([list(shape) for shape in shapes])])
    try:
        yield Side(0, port, shapes)
    finally:
        peer.terminate()
        peer.wait(FAREWELL_SECONDS)


def follow(port: int, shapes: Sequence[Sequence[int]]) -> None:
    """Until it is ended."""
    torch.set_num_threads(1)
    side = Side(1, port, shapes)
    while True:
        side.round()


if __name__ == "__main__":
    follow(int(sys.argv[1]), json.loads(sys.argv[2]))
