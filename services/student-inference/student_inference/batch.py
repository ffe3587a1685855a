"""From requests to the tensors of one forward pass.

Axes: B requests, S new tokens of each (padded), n blocks of a request (padded), L = n * block_size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from student_inference.adjust import Adjustments
from student_inference.cache import TRASH_BLOCK, BlockCache, block_table
from student_inference.memory import PagedMemory
from student_inference.model import ForwardBatch
from student_inference.request import Request
from student_inference.sampler import SamplingBatch
from student_inference.window import Window


def visible(positions_BS: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """Additive causal mask [B, S, L]: a token sees the positions up to its own."""
    hidden = torch.arange(length) > positions_BS.unsqueeze(-1)
    return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))


def prefill_batch(requests: Sequence[Request], cache: BlockCache) -> ForwardBatch:
    """The tokens that are not in the cache yet, padded on the right; padding writes to the trash block."""
    lengths = [request.length - request.computed for request in requests]
    longest = max(lengths)
    padded = [
        request.tokens[request.computed :] + [0] * (longest - new)
        for request, new in zip(requests, lengths, strict=True)
    ]
    starts_B1 = torch.tensor([request.computed for request in requests]).unsqueeze(1)
    ends_B1 = torch.tensor([request.length for request in requests]).unsqueeze(1)
    positions_BS = starts_B1 + torch.arange(longest)
    real_BS = positions_BS < ends_B1
    positions_BS = torch.minimum(positions_BS, ends_B1 - 1)
    width = cache.blocks_for(max(request.length for request in requests))
    table_Bn = block_table([request.chain for request in requests], width)
    blocks_BS = table_Bn.gather(1, positions_BS // cache.block_size).where(real_BS, TRASH_BLOCK)
    return ForwardBatch(
        torch.tensor(padded),
        positions_BS,
        PagedMemory(cache, cache.slots(blocks_BS, positions_BS), cache.tables(table_Bn)),
        visible(positions_BS, table_Bn.shape[1] * cache.block_size, cache.storage.dtype),
    )


class DecodeBatch:
    """The running requests as tensors that advance by one token a step; settled and rebuilt when the batch changes."""

    def __init__(self, running: list[Request], cache: BlockCache, window: Window, vocab_size: int) -> None:
        seated = window.seat(running)
        requests = self.requests = seated or running
        self.sampling = SamplingBatch.of([request.params for request in requests], vocab_size)
        self.adjustments = Adjustments.of(requests, vocab_size)
        self.tokens_B1 = torch.tensor([request.output[-1] for request in requests]).unsqueeze(1)
        self.positions_B1 = torch.tensor([request.length - 1 for request in requests]).unsqueeze(1)
        self._cache, self._window = cache, window if seated else None
        self._longest = max(request.length for request in requests)
        self._steps = 0
        width = max(cache.blocks_for(request.reserved) for request in requests)
        self._table_Bn = block_table([request.chain for request in requests], width)

    def forward_batch(self) -> ForwardBatch:
        """The newest token of every request, and what it may see."""
        cache, positions = self._cache, self.positions_B1
        if self._window is not None:
            return ForwardBatch(self.tokens_B1, positions, self._window, self._window.mask_B1L)
        width = cache.blocks_for(self._longest)
        mask = visible(positions, width * cache.block_size, cache.storage.dtype)
        memory = PagedMemory(cache, self._slots(positions), cache.tables(self._table_Bn[:, :width]))
        return ForwardBatch(self.tokens_B1, positions, memory, mask)

    def advance(self, tokens_B: Tensor) -> None:
        """Append one token to every request."""
        if self.adjustments is not None:
            self.adjustments.advance(tokens_B)
        self.tokens_B1 = tokens_B.unsqueeze(1)
        self.positions_B1 = self.positions_B1 + 1
        self._longest += 1
        self._steps += 1
        if self._window is not None:
            self._window.advance()

    def settle(self) -> None:
        """Bring what only the window holds to the cache: the requests may leave then, and others reuse it."""
        if self._window is not None and self._steps:
            positions_BS = self.positions_B1 + torch.arange(-self._steps, 0)
            self._window.settle(self._slots(positions_BS).view(*positions_BS.shape, -1))
        self._steps = 0

    def _slots(self, positions_BS: Tensor) -> Tensor:
        return self._cache.slots(self._table_Bn.gather(1, positions_BS // self._cache.block_size), positions_BS)
