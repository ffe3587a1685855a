"""The processes that train one student together. Process 0 leads: it tells the others what all of them do next.

Commands travel beside the tensors, on a group of their own, as msgpack. The leader's pulse between commands lets the
others tell a leader that waits for episodes from one that is gone.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import numpy as np
import torch
from contracts.episodes import Episode
from contracts.packed import from_wire, to_wire
from rewards.rows import Floats
from torch import Tensor, distributed
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from trainer.failures import JobFailure, RankLost
from trainer.launch import Launch

# Several pulses fit in what the others wait: a leader that swaps to disk for a moment is not given up.
PULSE_SECONDS = 2.0
LISTEN_SECONDS = 60.0
BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
LOST = ("gloo/transport", "NCCL")  # gloo's errors have no class of their own, only the place that they come from


class Prepare(msgspec.Struct, tag=True):
    """Load the student of this job."""

    spec: str  # JSON


class Restore(msgspec.Struct, tag=True):
    """Take over a checkpoint that the leader has read."""

    updates: int


class Learn(msgspec.Struct, tag=True):
    """One training step on these episodes."""

    step: int
    episodes: list[Episode]
    method_state: dict[str, list[float]]


class State(msgspec.Struct, tag=True):
    """Gather what a checkpoint keeps."""


class Weights(msgspec.Struct, tag=True):
    """Gather the policy's plain weights."""


class Score(msgspec.Struct, tag=True):
    """Log-probabilities of these tokens."""

    token_ids: list[int]


class Pulse(msgspec.Struct, tag=True):
    """The leader lives; there is nothing to do."""


class End(msgspec.Struct, tag=True):
    """All is done."""


Command = Prepare | Restore | Learn | State | Weights | Score | Pulse | End
_encoder = msgspec.msgpack.Encoder(enc_hook=to_wire)
_decoder: "msgspec.msgpack.Decoder[Command]" = msgspec.msgpack.Decoder(Command, dec_hook=from_wire)


class Crew:
    """One process's view of all of them."""

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu", wait_seconds: float = 600.0) -> None:
        self.rank = rank
        self.size = size
        self.device = torch.device(device)
        self.wait_seconds = wait_seconds
        self.control: distributed.ProcessGroup | None = None
        self.lock = threading.Lock()
        self.speaking = False
        self.lost: str | None = None

    @property
    def leads(self) -> bool:
        """It reads the stream, writes and publishes."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """There is somebody to share the work with."""
        return self.size > 1

    def mesh(self) -> DeviceMesh:
        """All processes in one row. A process alone forms a group of one, which bf16 needs too."""
        if not distributed.is_initialized():
            backend, store = BACKENDS[self.device.type], HashStore()
            distributed.init_process_group(backend, store=store, rank=0, world_size=1)
        return init_device_mesh(self.device.type, (self.size,))

    @contextmanager
    def together(self, command: Command) -> Iterator[None]:
        """What follows is done by all. Of the leader's calls inside another one, only the outer is told."""
        if not self.leads or not self.several or self.speaking:
            yield
            return
        with self.lock:
            self.speaking = True
            try:
                self.send(command)
                yield
            finally:
                self.speaking = False

    def send(self, command: Command) -> None:
        """Tell the others. Raises RankLost."""
        self.carry(_encoder.encode(command), source=0)

    def listen(self) -> Command:
        """Wait for what the leader says next. Raises RankLost."""
        return _decoder.decode(self.carry(b"", source=0))

    def meet(self) -> None:
        """All have come this far. Raises RankLost when one does not."""
        try:
            distributed.barrier(group=self.control)
        except RuntimeError as error:
            raise RankLost(f"process {self.rank} of {self.size} waited in vain: {error}") from error

    def carry(self, data: bytes, source: int) -> bytes:
        """Bring `data` of one process to all."""
        try:
            length = torch.tensor([len(data)])
            distributed.broadcast(length, source, group=self.control)
            body = torch.empty(int(length), dtype=torch.uint8)
            if self.rank == source:
                body = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            distributed.broadcast(body, source, group=self.control)
        except RuntimeError as error:
            raise RankLost(f"process {self.rank} of {self.size} lost the others: {error}") from error
        return body.numpy().tobytes()

    def agree(self, failure: JobFailure | None) -> None:
        """Raises the same JobFailure everywhere when any process has one."""
        if not self.several:
            if failure is not None:
                raise failure
            return
        first = torch.tensor([self.size if failure is None else self.rank])
        distributed.all_reduce(first, distributed.ReduceOp.MIN)
        if int(first) < self.size:
            told = b"" if failure is None else msgspec.msgpack.encode([failure.code, failure.detail])
            code, detail = msgspec.msgpack.decode(self.carry(told, int(first)), type=tuple[str, str])
            raise JobFailure(code, f"process {int(first)}: {detail}")

    def total(self, sums: list[float], largest: list[float]) -> tuple[list[float], list[float]]:
        """The sums and the largest values over all processes."""
        if not self.several:
            return sums, largest
        summed, most = (torch.tensor(values, dtype=torch.float64) for values in (sums, largest))
        distributed.all_reduce(summed)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        return summed.tolist(), most.tolist()

    def pool(self, parts_RT: Sequence[Floats]) -> None:
        """In place: the sum over all processes, each of which has filled in some of the values and left the rest 0."""
        if self.several:
            flat = torch.from_numpy(np.concatenate(parts_RT))
            distributed.all_reduce(flat)
            ends = np.cumsum([len(part_T) for part_T in parts_RT])
            for part_T, pooled_T in zip(parts_RT, np.split(flat.numpy(), ends[:-1]), strict=True):
                part_T[:] = pooled_T

    def kept(self, tensor: Tensor) -> Tensor:
        """What all gathered, only the leader needs."""
        return tensor if self.leads else tensor.new_empty(0)

    def dismiss(self) -> None:
        """The leader ends. Raises RankLost when another process was gone before."""
        if self.several:
            with self.lock:
                if self.lost is not None:
                    raise RankLost(self.lost)
                self.send(End())
                self.meet()

    def pulse(self, stopping: threading.Event) -> None:
        """For ever, in a thread of the leader: a sign of life whenever no command is under way."""
        while not stopping.wait(PULSE_SECONDS):
            if self.lock.acquire(blocking=False):
                try:
                    self.send(Pulse())
                except RankLost as error:
                    self.lost = str(error)
                    stopping.set()
                finally:
                    self.lock.release()


SOLO = Crew()


def join_crew(launch: Launch, device: str, wait_seconds: float) -> Crew:
    """Find the other processes of the launch. Raises RankLost when they do not come in time."""
    if device == "cuda":
        torch.cuda.set_device(launch.local_rank)
        device = f"cuda:{launch.local_rank}"
    crew = Crew(launch.rank, launch.world_size, device, wait_seconds)
    if crew.several:
        try:
            distributed.init_process_group(
                BACKENDS[crew.device.type],
                init_method=f"tcp://{launch.master_addr}:{launch.master_port}",
                rank=launch.rank,
                world_size=launch.world_size,
                timeout=timedelta(seconds=wait_seconds),
            )
        except RuntimeError as error:
            raise RankLost(f"process {launch.rank} of {launch.world_size} did not find the others: {error}") from error
        crew.control = distributed.new_group(
            backend="gloo", timeout=timedelta(seconds=min(LISTEN_SECONDS, wait_seconds))
        )
    return crew


def peer_lost(error: RuntimeError) -> bool:
    """Whether a failed computation failed for want of another process."""
    return isinstance(error, distributed.DistError) or any(mark in str(error) for mark in LOST)
