"""From requests to the tensors of one forward pass.

Axes: B requests, S new tokens of each (padded), n blocks of a request (padded), L = n * block_size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from student_inference.adjust import Adjustments
from student_inference.cache import TRASH_BLOCK, BlockCache, block_table
from student_inference.memory import NewestTokens, NewTokens
from student_inference.model import ForwardBatch, Newest
from student_inference.request import Request
from student_inference.sampler import SamplingBatch


def visible(positions_BS: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """Additive causal mask [B, S, L]: a token sees the positions up to its own."""
    hidden = torch.arange(length) > positions_BS.unsqueeze(-1)
    return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))


def prefill_batch(requests: Sequence[Request], cache: BlockCache) -> tuple[ForwardBatch, Newest]:
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
    slots_N = cache.pages.slots(blocks_BS, positions_BS)
    mask_BSL = visible(positions_BS, width * cache.block_size, cache.pages.dtype)
    mask_B1ML = mask_BSL.repeat(1, cache.pages.group_size, 1).unsqueeze(1)
    memory = NewTokens(cache.pages, slots_N, table_Bn, mask_B1ML)
    newest_B = torch.arange(0, len(requests) * longest, longest) + torch.tensor(lengths) - 1
    newest = NewestTokens(cache.pages, slots_N[newest_B], table_Bn, ends_B1.squeeze(1))
    return ForwardBatch(torch.tensor(padded), positions_BS, memory), Newest(newest_B, newest)


class DecodeBatch:
    """The running requests as tensors that advance by one token a step; built anew when the batch changes."""

    def __init__(self, requests: list[Request], cache: BlockCache, vocab_size: int) -> None:
        self.requests = list(requests)
        self.sampling = SamplingBatch.of([request.params for request in requests], vocab_size)
        self.adjustments = Adjustments.of(requests, vocab_size)
        self.tokens_B1 = torch.tensor([request.output[-1] for request in requests]).unsqueeze(1)
        self.positions_B1 = torch.tensor([request.length - 1 for request in requests]).unsqueeze(1)
        self._cache = cache
        width = max(cache.blocks_for(request.reserved) for request in requests)
        self._table_Bn = block_table([request.chain for request in requests], width)

    def forward_batch(self) -> ForwardBatch:
        """The newest token of every request, and what it may see."""
        pages, positions_B1 = self._cache.pages, self.positions_B1
        slots_B = pages.slots(self._table_Bn.gather(1, positions_B1 // pages.block_size), positions_B1)
        memory = NewestTokens(pages, slots_B, self._table_Bn, positions_B1.squeeze(1) + 1)
        return ForwardBatch(self.tokens_B1, positions_B1, memory)

    def advance(self, tokens_B: Tensor) -> None:
        """Append one token to every request."""
        if self.adjustments is not None:
            self.adjustments.advance(tokens_B)
        self.tokens_B1 = tokens_B.unsqueeze(1)
        self.positions_B1 = self.positions_B1 + 1
