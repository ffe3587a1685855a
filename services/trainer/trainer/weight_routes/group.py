"""A process group of two sides: the trainer, rank 0, and one engine, whose ranks follow."""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore  # type: ignore[attr-defined]

from trainer.engine import Engine, EngineError

Backend = Literal["gloo", "nccl"]
# gloo has two threads, each with the next to take up; more would only hold copies on a GPU.
UNDER_WAY = 4


class Group:
    """Met on creation. Raises EngineError from every method but `leave`."""

    def __init__(self, engine: Engine, name: str, address: str, backend: Backend, seconds: float) -> None:
        self.engine = engine
        self.name = name
        self.backend = backend
        ranks = tensor_parallel_ranks(engine)
        with socket.create_server((address, 0)) as listener:
            port = listener.getsockname()[1]
            patience = timedelta(seconds=seconds)
            # torch would listen on every interface; the store takes a socket that is bound already, and owns it then.
            store = TCPStore(
                address,
                port,
                1 + ranks,
                is_master=True,
                timeout=patience,
                wait_for_workers=False,
                master_listen_fd=listener.detach(),
            )
        place = {"master_address": address, "master_port": port, "rank_offset": 1, "world_size": 1 + ranks}
        meeting = Beside(lambda: process_group(backend, store, name, 1 + ranks, patience))
        self.engine.succeed("/init_weights_update_group", {**place, "group_name": name, "backend": backend}, seconds)
        self.group = meeting.result(seconds)

    def send(self, tensors: Mapping[str, Tensor], version: str, seconds: float) -> None:
        """Broadcast them all; the engine serves them as `version`."""
        body = {
            "names": list(tensors),
            "dtypes": [str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()],
            "shapes": [list(tensor.shape) for tensor in tensors.values()],
            "group_name": self.name,
            "weight_version": version,
            "flush_cache": True,
        }
        sending = Beside(lambda: self.broadcast(list(tensors.values()), timedelta(seconds=seconds)))
        self.engine.succeed("/update_weights_from_distributed", body, seconds)
        sending.result(seconds)

    def broadcast(self, tensors: list[Tensor], patience: timedelta) -> None:
        """In this order, the next while one is under way."""
        under_way: deque[Any] = deque()
        for tensor in tensors:
            flat = tensor.detach().contiguous()
            under_way.append(self.group.broadcast(flat.cuda() if self.backend == "nccl" else flat.cpu(), 0))
            if len(under_way) == UNDER_WAY:
                under_way.popleft().wait(patience)
        for work in under_way:
            work.wait(patience)

    def leave(self) -> None:
        """Let the engine forget the group; one that is gone has forgotten it."""
        with contextlib.suppress(EngineError):
            self.engine.ask("POST", "/destroy_weights_update_group", {"group_name": self.name})


class Beside:
    """A call in a thread of its own. Nobody waits for it longer than `result` does: its own time-outs end it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.outcome: list[Any] = []
        self.error: RuntimeError | None = None
        self.thread = threading.Thread(target=self.run, args=(call,), name="process-group", daemon=True)
        self.thread.start()

    def run(self, call: Callable[[], Any]) -> None:
        """torch.distributed raises RuntimeError for whatever goes wrong."""
        try:
            self.outcome.append(call())
        except RuntimeError as error:
            self.error = error

    def result(self, seconds: float) -> Any:
        """What the call returned. Raises EngineError when it failed or is not done in time."""
        self.thread.join(seconds)
        if not self.outcome:
            cause = f"no end in {seconds:.0f} s" if self.error is None else str(self.error).split("\n", 1)[0]
            raise EngineError(f"process group: {cause}")
        return self.outcome[0]


def tensor_parallel_ranks(engine: Engine) -> int:
    """How many members the engine brings."""
    return int(engine.ask("GET", "/server_info").get("tp_size") or 1)


def process_group(backend: Backend, store: TCPStore, name: str, size: int, patience: timedelta) -> Any:
    """Blocks until all are there. The names are nested as by the helper of torch with which SGLang joins."""
    device = "cuda" if backend == "nccl" else "cpu"
    named = PrefixStore(f"{device}/", PrefixStore(f"{name}/", PrefixStore(name, store)))
    if backend == "gloo":
        return ProcessGroupGloo(named, 0, size, patience)
    options = torch.distributed.ProcessGroupNCCL.Options()
    options._timeout = patience
    return torch.distributed.ProcessGroupNCCL(named, 0, size, options)
