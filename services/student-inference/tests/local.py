"""An engine in this process, without HTTP."""

import queue
from pathlib import Path
from typing import Any

import torch
from student_inference.cache import BlockCache
from student_inference.config import read_config
from student_inference.engine import Engine
from student_inference.finish import Decode
from student_inference.loading import load_weights
from student_inference.model import Model
from student_inference.request import Request, SamplingParams
from student_inference.scheduler import Scheduler

CONTEXT = 256
# Tiny generations end in milliseconds; a loaded machine may need seconds.
WAIT_SECONDS = 30.0


def params(**changes: Any) -> SamplingParams:
    """Greedy, six tokens, unless told otherwise."""
    values = {"max_new_tokens": 6, "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": 0}
    return SamplingParams(**{**values, **changes})


def load(directory: Path, dtype: torch.dtype = torch.float32) -> Model:
    config = read_config(directory)
    return Model(config, load_weights(directory, config, dtype), CONTEXT)


class LocalEngine:
    """Serves requests and waits for them. `tokens` bounds the cache."""

    def __init__(
        self,
        directory: Path,
        *,
        tokens: int = 4096,
        max_running: int = 64,
        dtype: str = "float32",
        decode: Decode | None = None,
    ) -> None:
        model = load(directory, getattr(torch, dtype))
        cache = BlockCache(model.config, tokens // 8, 8, getattr(torch, dtype))
        self._finished: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._count = 0
        self.told: list[list[str]] = []
        """Ids of the requests of each delivery."""
        self.engine = Engine(model, cache, Scheduler(cache, max_running, 2048), "v0", self._deliver, decode)
        self.engine.start()

    def _deliver(self, requests: list[Request]) -> None:
        self.told.append([request.rid for request in requests])
        for request in requests:
            if request.finish is not None:
                self._finished.put(request)

    def submit(self, prompt: list[int], sampling: SamplingParams | None = None, **fields: Any) -> Request:
        self._count += 1
        request = Request(str(self._count), prompt, sampling or params(), **fields)
        self.engine.submit(request)
        return request

    def wait(self, count: int) -> list[Request]:
        """The next `count` requests that end."""
        return [self._finished.get(timeout=WAIT_SECONDS) for _ in range(count)]

    def generate(
        self, prompts: list[list[int]], sampling: SamplingParams | None = None, **fields: Any
    ) -> list[Request]:
        """Submit all at once and wait for all."""
        requests = [
            Request(f"{self._count}.{i}", prompt, sampling or params(), **fields) for i, prompt in enumerate(prompts)
        ]
        self._count += 1
        self.command(lambda: self.engine.scheduler.waiting.extend(requests))
        self.wait(len(requests))
        return requests

    def command(self, action: Any) -> Any:
        return self.engine.run(action).result(WAIT_SECONDS)

    def close(self) -> None:
        self.engine.stop(WAIT_SECONDS)
