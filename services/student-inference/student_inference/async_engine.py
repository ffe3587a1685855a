"""The engine as the HTTP side sees it: awaitable generations, and swaps that wait for those in flight."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import torch

from student_inference.bodies import followed, patience_for
from student_inference.config import ModelError
from student_inference.engine import Engine
from student_inference.loading import Filling, Shard, fill, found_in
from student_inference.model import Model
from student_inference.protocol import BadRequest
from student_inference.request import Request
from student_inference.weight_sets import Staged, WeightSets
from student_inference.weights import Weights, weight_bytes

# A swap waits for running generations as SGLang does, but not for ever: the trainer must hear that it failed.
DRAIN_SECONDS = 300.0
# A command waits for the current step at most; a step of the largest CPU student takes seconds.
COMMAND_SECONDS = 60.0
STOP_SECONDS = 5.0

Result = TypeVar("Result")


class EngineStopped(RuntimeError):
    """The engine's thread has ended; the process must be restarted."""


class AsyncEngine:
    """Owns the futures of the requests in flight. All methods run on one event loop."""

    def __init__(self, roots: list[Path], dtype: torch.dtype, context_length: int) -> None:
        self.engine: Engine
        self.model_path = ""
        self.dtype = dtype
        self._roots, self._context_length = roots, context_length
        self._futures: dict[str, asyncio.Future[Request]] = {}
        self._listeners: dict[str, asyncio.Queue[Request | None]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._still = asyncio.Event()
        self._still.set()
        self._swapping = asyncio.Lock()

    def start(self, engine: Engine, model_path: Path) -> None:
        self.engine, self.model_path = engine, str(model_path)
        self._loop = asyncio.get_running_loop()
        self._sets = WeightSets(engine.model.config, self.dtype)
        engine.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self.engine.stop, STOP_SECONDS)

    def deliver(self, requests: list[Request]) -> None:
        """Called in the engine's thread: one wake-up of the loop for all requests with news from a step."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, requests)

    def _resolve(self, requests: list[Request]) -> None:
        for request in requests:
            if request.rid in self._listeners:
                self._listeners[request.rid].put_nowait(request)
            if request.finish is not None:
                future = self._futures.pop(request.rid, None)
                if future is not None and not future.done():
                    future.set_result(request)
        self._note_stillness()

    def _note_stillness(self) -> None:
        """A swap may happen when no request is in flight, or when a pause keeps those in flight from moving."""
        if self.engine.paused or not self._futures:
            self._still.set()
        else:
            self._still.clear()

    # Generations.

    async def generate(self, requests: list[Request]) -> list[Request]:
        """Run requests to their end. Cancelling aborts them. Raises BadRequest for an id already in flight and
        EngineStopped when the engine's thread has ended."""
        await self._open.wait()
        if not self.engine.alive:
            raise EngineStopped("the engine's thread has ended")
        for request in requests:
            if request.rid in self._futures:
                raise BadRequest(f"rid: {request.rid!r} is already in flight")
        futures: list[asyncio.Future[Request]] = []
        for request in requests:
            futures.append(self._loop.create_future())
            self._futures[request.rid] = futures[-1]
            self.engine.submit(request)
        self._note_stillness()
        try:
            return await asyncio.gather(*futures)
        except asyncio.CancelledError:
            for request in requests:
                self.engine.run(lambda rid=request.rid: self.engine.abort(rid))  # type: ignore[misc]
            raise

    async def stream(self, requests: list[Request]) -> AsyncIterator[Request]:
        """The state of each request after every token of it, finished at last. Raises as `generate` does."""
        news: asyncio.Queue[Request | None] = asyncio.Queue()
        for request in requests:
            request.streamed = True
        ending = asyncio.ensure_future(self.generate(requests))
        ending.add_done_callback(lambda _: news.put_nowait(None))
        listeners = dict.fromkeys((request.rid for request in requests if request.rid not in self._futures), news)
        self._listeners |= listeners
        try:
            while (state := await news.get()) is not None:
                yield state
            await ending
        finally:
            ending.cancel()
            for rid in listeners:
                self._listeners.pop(rid, None)

    # Control.

    async def pause(self, mode: str) -> None:
        await self._command(lambda: self.engine.pause(mode), at_once=True)
        self._note_stillness()

    async def resume(self) -> None:
        await self._command(self.engine.resume)
        self._note_stillness()

    async def flush(self) -> bool:
        return await self._command(self.engine.flush)

    async def abort(self, rid: str | None) -> None:
        await self._command(lambda: self.engine.abort(rid))

    async def update_weights(
        self, model_path: str, version: str | None, *, flush: bool = True, abort_all: bool = False
    ) -> None:
        """Serve the checkpoint at `model_path` from now on.

        Everything is read and checked before anything changes. Then new requests wait, those in flight end with the
        old weights (a paused engine is swapped at once), and the weights change between two steps. Raises ModelError
        for a bad checkpoint and TimeoutError when the requests in flight do not end in DRAIN_SECONDS.
        """
        directory = self._allowed(model_path)
        async with self._swapping:
            weights = self._sets.take(directory, version)
            if weights is None:
                filling = await asyncio.to_thread(
                    self._sets.read, lambda into: fill(into, directory, found_in(directory))
                )
                weights = filling.weights
            await self._serve(weights, version, flush, abort_all)
        self.model_path = model_path

    async def prepare_weights(self, model_path: str, version: str | None, landed: AsyncIterator[Shard]) -> None:
        """Read and check a checkpoint whose files land one after the other; `update_weights` then has nothing to read.

        Raises ModelError as `update_weights` does, and when a file differs from its checksum or `landed` raises it.
        """
        directory, config = self._allowed(model_path), self.engine.model.config
        async with self._swapping, followed(landed, patience_for(weight_bytes(config))) as shards:
            filling = await asyncio.to_thread(self._sets.read, lambda into: fill(into, directory, shards))
            self._sets.stage(Staged(filling, version))

    async def receive_weights(self, read: Callable[[Filling], object], receipt: str) -> None:
        """Call `read` in a thread, to fill what `serve_received` will serve by this receipt.

        Asked again, it goes on with what it filled before, unless other weights were read since. Raises ModelError
        as `read` does; then nothing waits any more.
        """
        async with self._swapping:
            filling = await asyncio.to_thread(self._sets.read, read, receipt)
            self._sets.stage(Staged(filling, receipt=receipt))

    async def serve_received(self, receipt: str, version: str | None, *, flush: bool, abort_all: bool = False) -> None:
        """As `update_weights`, with what was received. Raises ModelError when it is not there any more or not whole."""
        async with self._swapping:
            await self._serve(self._sets.take_received(receipt), version, flush, abort_all)

    async def _serve(self, weights: Weights, version: str | None, flush: bool, abort_all: bool) -> None:
        model, retired = Model(self.engine.model.config, weights, self._context_length), self.engine.model.weights
        if abort_all:
            await self.abort(None)
        async with self._quiet():
            await self._command(lambda: self.engine.swap(model, version, flush))
        self._sets.retire(retired)

    async def rename_weights(self, version: str, abort_all: bool) -> None:
        """Call the weights that are served `version` from the next token on."""
        if abort_all:
            await self.abort(None)
        await self._command(lambda: self.engine.rename(version))

    def _allowed(self, model_path: str) -> Path:
        """The resolved directory. Raises ModelError when it lies outside the allowed roots."""
        if "\0" in model_path:
            raise ModelError("model_path: must not hold a NUL character")
        directory = Path(model_path).resolve()
        if not any(directory.is_relative_to(root) for root in self._roots):
            roots = ", ".join(map(str, self._roots))
            raise ModelError(f"model_path: {model_path} is outside the allowed roots ({roots})")
        if not directory.is_dir():
            raise ModelError(f"model_path: {model_path} is not a directory")
        return directory

    @asynccontextmanager
    async def _quiet(self) -> AsyncIterator[None]:
        """Hold new requests back and wait for those in flight."""
        self._open.clear()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._still.wait()
            yield
        finally:
            self._open.set()

    async def _command(self, command: Callable[[], Result], *, at_once: bool = False) -> Result:
        if not self.engine.alive:
            raise EngineStopped("the engine's thread has ended")
        async with asyncio.timeout(COMMAND_SECONDS):
            return await asyncio.wrap_future(self.engine.run(command, at_once=at_once))
