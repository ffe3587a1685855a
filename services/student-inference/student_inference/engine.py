"""The engine: one thread that prefills, decodes, samples and swaps weights between two steps."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import torch
from torch import Tensor

from student_inference.adjust import Adjustments
from student_inference.batch import DecodeBatch, prefill_batch
from student_inference.cache import BlockCache
from student_inference.counters import Counters
from student_inference.finish import Decode, abort_reason, finish_reason
from student_inference.model import GivenUp, Model
from student_inference.request import Request
from student_inference.sampler import SamplingBatch, sample
from student_inference.scheduler import Scheduler, prefill_groups

# An idle engine wakes up this often to bring its throughput figure down to zero.
IDLE_WAIT_SECONDS = 0.5

Result = TypeVar("Result")


class Engine:
    """Runs requests until each has `finish` set, then hands it to `deliver` (called in the engine's thread).

    Streamed requests are also delivered after every token, as copies without `finish`.
    """

    def __init__(
        self,
        model: Model,
        cache: BlockCache,
        scheduler: Scheduler,
        version: str,
        deliver: Callable[[list[Request]], None],
        decode: Decode | None = None,
    ) -> None:
        self.model, self.cache, self.scheduler, self.version = model, cache, scheduler, version
        self.counters = Counters()
        self.paused = False
        self.generation = 0
        """Counts swaps: cached prefixes of another generation are never found."""
        self._deliver = deliver
        self._decode_text = decode
        self._batch: DecodeBatch | None = None
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    # Called from other threads.

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread after its current step; unfinished requests are delivered as aborted."""
        self._stopping.set()
        self._inbox.put(lambda: None)
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, request: Request) -> None:
        self._inbox.put(lambda: self.scheduler.waiting.append(request))

    def run(self, command: Callable[[], Result], *, at_once: bool = False) -> "Future[Result]":
        """Execute `command` in the engine's thread between two steps, unless the future is cancelled before.

        `at_once`: a decode step under way is given up, and done again later.
        """
        future: Future[Result] = Future()

        def execute() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(command())

        self._inbox.put(execute)
        if at_once:
            self._hurried.set()
        return future

    # Commands: run in the engine's thread.

    def swap(self, model: Model, version: str | None, flush: bool) -> None:
        """Serve `model` from the next step on. Requests in flight go on: retracted ones are recomputed with the new
        weights, those kept in place keep their old keys and values, and neither are reused by new requests."""
        self.rename(self.version if version is None else version)
        self.model = model
        self.generation += 1
        if flush:
            self.cache.flush()

    def rename(self, version: str) -> None:
        """Attribute the tokens so far to the version until now, and those to come to `version`."""
        for request in [*self.scheduler.waiting, *self.scheduler.running]:
            request.mark_version(self.version)
        self.version = version

    def pause(self, mode: str) -> None:
        """Stop stepping; mode retract also frees the running requests' cache, mode abort ends all requests."""
        self.paused = True
        if mode == "retract":
            self._batch = None
            self.scheduler.retract_all()
        if mode == "abort":
            self.abort(None)

    def resume(self) -> None:
        self.paused = False

    def abort(self, rid: str | None) -> None:
        """End the request of this id, or all; each is delivered with the tokens it has."""
        for request in [*self.scheduler.waiting, *self.scheduler.running]:
            if rid is None or request.rid == rid:
                waiting = request.chain is None and not request.output
                request.finish = abort_reason("Abort in waiting queue" if waiting else "Aborted")
        self._collect()

    def flush(self) -> bool:
        """Forget cached prefixes; False when requests are in flight, as SGLang refuses then."""
        if self.scheduler.running or self.scheduler.waiting:
            return False
        self.cache.flush()
        return True

    # The loop.

    def _loop(self) -> None:
        try:
            with torch.inference_mode():
                while not self._stopping.is_set():
                    self._obey()
                    if self._has_work():
                        self._step()
        finally:
            while not self._inbox.empty():
                self._inbox.get_nowait()()
            self._batch = None  # nobody reuses this cache any more
            self.abort(None)

    def _has_work(self) -> bool:
        return not self.paused and bool(self.scheduler.running or self.scheduler.waiting)

    def _obey(self) -> None:
        """Execute everything in the inbox; wait for something when there is nothing to compute."""
        self._hurried.clear()
        try:
            if not self._has_work():
                self._inbox.get(timeout=IDLE_WAIT_SECONDS)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            self.counters.measure()

    def _step(self) -> None:
        """Prefill what can be admitted; else decode one token of every running request."""
        admitted = self.scheduler.admit(self.generation)
        if admitted:
            for group in prefill_groups(admitted, self.scheduler.max_prefill_tokens):
                self._prefill(group)
                self._tell(group)
            self._batch = None
        elif self._decode():
            self._tell(self.scheduler.running)
        self._collect()

    def _tell(self, requests: list[Request]) -> None:
        """Deliver the new token of those that are streamed and go on."""
        progress = [request.snapshot(self.version) for request in requests if request.streamed and not request.finish]
        if progress:
            self._deliver(progress)

    def _prefill(self, requests: list[Request]) -> None:
        hidden_Bh = self._take_in(requests)
        for request in requests:
            assert request.chain is not None
            self.cache.publish(request.chain, request.tokens, request.length)
            if not request.retractions:
                self.counters.prompt_tokens += len(request.prompt)
                self.counters.cached_tokens += request.cached_tokens
        vocab_size = self.model.config.vocab_size
        logits = self.model.logits(hidden_Bh)
        adjustments = Adjustments.of(requests, vocab_size)
        sampling = SamplingBatch.of([request.params for request in requests], vocab_size)
        positions_B = torch.tensor([request.length for request in requests])
        self._extend(requests, logits if adjustments is None else adjustments.apply(logits), sampling, positions_B)
        now = time.perf_counter()
        for request in requests:
            request.first_token_at = request.first_token_at or now

    def _take_in(self, requests: list[Request]) -> Tensor:
        """Hidden states [B, hidden] of the newest tokens; prompts whose log-probabilities are wanted are scored."""
        batch, newest = prefill_batch(requests, self.cache)
        wanted = [request.logprob_start is not None and not request.prompt_logprobs for request in requests]
        if not any(wanted):
            return self.model.forward(batch, newest=newest)
        hidden_Nh = self.model.forward(batch)
        hidden_BSh = hidden_Nh.view(*batch.tokens_BS.shape, -1)
        for request, row, asked in zip(requests, hidden_BSh, wanted, strict=True):
            if asked and request.logprob_start is not None:
                self._score_prompt(request, request.logprob_start, row)
        return hidden_Nh[newest.places_B]

    def _decode(self) -> bool:
        """One token for every running request; False when the step was given up, which changes nothing."""
        if self._batch is None:
            vocab_size = self.model.config.vocab_size
            self._batch = DecodeBatch(self.scheduler.running, self.cache, vocab_size)
        batch = self._batch
        self.model.pack()
        try:
            hidden_Bh = self.model.forward(batch.forward_batch(), given_up=self._hurried.is_set)
        except GivenUp:
            return False
        logits = self.model.logits(hidden_Bh)
        if batch.adjustments is not None:
            logits = batch.adjustments.apply(logits)
        batch.advance(self._extend(batch.requests, logits, batch.sampling, batch.positions_B1.squeeze(1) + 1))
        return True

    def _score_prompt(self, request: Request, start: int, hidden_Sh: Tensor) -> None:
        """Log-probabilities of the prompt tokens after `start`, at temperature 1 as SGLang gives them."""
        targets = torch.tensor(request.prompt[start + 1 :])
        first = start - request.computed
        logprobs = torch.log_softmax(self.model.logits(hidden_Sh[first : first + len(targets)]), -1)
        request.prompt_logprobs = logprobs.gather(1, targets.unsqueeze(1)).squeeze(1).tolist()
        request.prompt_alternatives.record(request.wanted, logprobs)

    def _extend(
        self, requests: list[Request], logits_BV: Tensor, sampling: SamplingBatch, positions_B: Tensor
    ) -> Tensor:
        """Sample one token for every request, append it, and decide who has finished. Returns the tokens [B]."""
        tokens_B, logprobs_BV = sample(logits_BV, sampling, positions_B)
        logprobs = logprobs_BV.gather(1, tokens_B.unsqueeze(1)).squeeze(1).tolist()
        for row, (request, token) in enumerate(zip(requests, tokens_B.tolist(), strict=True)):
            if request.params.max_new_tokens:
                request.output.append(token)
                request.logprobs.append(logprobs[row])
                if request.wanted:
                    request.output_alternatives.record(request.wanted, logprobs_BV[row : row + 1])
            request.finish = finish_reason(request, token, logprobs[row], self._decode_text)
        self.counters.generated_tokens += len(requests)
        return tokens_B

    def _collect(self) -> None:
        """Deliver what has finished."""
        if any(request.finish is not None for request in self.scheduler.running):
            self._batch = None
        for request in self.scheduler.running:
            if request.broken and request.chain is not None:
                self.cache.scrub(request.chain)
        finished = self.scheduler.remove_finished()
        if any(request.finish is not None for request in self.scheduler.waiting):
            finished += [request for request in self.scheduler.waiting if request.finish is not None]
            kept = [request for request in self.scheduler.waiting if request.finish is None]
            self.scheduler.waiting.clear()
            self.scheduler.waiting.extend(kept)
        now = time.perf_counter()
        for request in finished:
            request.mark_version(self.version)
            request.finished_at = now
            self.counters.finished += 1
            self.counters.aborted += (request.finish or {}).get("type") == "abort"
        if finished:
            self._deliver(finished)
