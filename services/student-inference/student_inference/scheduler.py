"""Which requests run: continuous batching with admission by free cache blocks.

A request reserves blocks for its whole length before it starts, so a running request is never preempted for memory.
"""

from collections import deque

from student_inference.cache import BlockCache, Key
from student_inference.request import Request

# A retracted request waits in mid-answer, and a group speaks as soon as it is computed. Groups of 2,048 tokens cost up
# to a tenth less a token, but make the first wait four times as long.
RECOMPUTED_TOKENS = 512


class Scheduler:
    """The waiting line and the running batch."""

    def __init__(self, cache: BlockCache, max_running: int, max_prefill_tokens: int) -> None:
        self.cache = cache
        self.max_running = max_running
        self.max_prefill_tokens = max_prefill_tokens
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []

    def admit(self, generation: int) -> list[Request]:
        """Move requests from the waiting line to the batch, in order of arrival, and give them their blocks.

        A request whose next block is being computed by another one of this call waits for the next call and then
        reuses it: the members of a group share one computation of their prompt.
        """
        admitted: list[Request] = []
        postponed: list[Request] = []
        coming: set[Key] = set()
        budget = self.max_prefill_tokens
        while self.waiting and len(self.running) < self.max_running and budget > 0:
            request = self.waiting[0]
            root, tokens = request.root(generation), request.tokens
            shared, missing = self.cache.match(root, tokens, reusable_length(request))
            if missing in coming:
                postponed.append(self.waiting.popleft())
                continue
            new_tokens = len(tokens) - len(shared) * self.cache.block_size
            if admitted and new_tokens > budget:
                break
            request.chain = self.cache.reserve(root, shared, self.cache.blocks_for(request.reserved))
            if request.chain is None:
                break
            budget -= new_tokens
            request.computed = len(shared) * self.cache.block_size
            if not request.retractions:
                request.cached_tokens = request.computed
            if missing is not None:
                coming.add(missing)
            admitted.append(self.waiting.popleft())
            self.running.append(request)
        self.waiting.extendleft(reversed(postponed))
        return admitted

    def remove_finished(self) -> list[Request]:
        """Take finished requests out of the batch; their full blocks stay findable."""
        finished = [request for request in self.running if request.finish is not None]
        if finished:
            self.running = [request for request in self.running if request.finish is None]
            for request in finished:
                self._release(request)
        return finished

    def retract_all(self) -> None:
        """Send the whole batch back to the head of the line; keys and values will be recomputed.

        The shortest go first: they speak again soonest.
        """
        for request in sorted(self.running, key=lambda request: request.length, reverse=True):
            self._release(request)
            request.retractions += 1
            self.waiting.appendleft(request)
        self.running = []

    def _release(self, request: Request) -> None:
        assert request.chain is not None
        self.cache.publish(request.chain, request.tokens, request.length - 1)
        self.cache.release(request.chain)
        request.chain = None


def reusable_length(request: Request) -> int:
    """Positions that may come from the cache: the last token must be computed to get logits, and so must every
    position whose log-probability is wanted."""
    limit = request.length - 1
    return limit if request.logprob_start is None else min(limit, request.logprob_start)


def prefill_groups(requests: list[Request], budget: int) -> list[list[Request]]:
    """Sort by new tokens and cut into padded batches of at most `budget` tokens, at most a third of them padding."""
    if any(request.retractions for request in requests):
        budget = min(budget, RECOMPUTED_TOKENS)
    groups: list[list[Request]] = []
    total = 0
    for request in sorted(requests, key=lambda request: request.length - request.computed):
        length = request.length - request.computed
        padded = (len(groups[-1]) + 1) * length if groups else 0
        if not groups or padded > budget or 2 * padded > 3 * (total + length):
            groups.append([])
            total = 0
        groups[-1].append(request)
        total += length
    return groups
