"""What the attention of one forward pass reads and writes: the cache block by block, or the window (`window.py`).

Axes: B requests, N new tokens, K key/value heads, n blocks of a request, L positions, D channels of a head.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from student_inference.cache import BlockCache


class Memory(Protocol):
    """The keys and values that the new tokens of a forward pass may see."""

    def extend(self, layer: int, k_NKD: Tensor, v_NKD: Tensor) -> tuple[Tensor, Tensor]:
        """Store those of the new tokens; returns all, [B, K, L, D]."""
        ...


@dataclass(frozen=True)
class PagedMemory:
    """The cache, gathered at every pass: for prefills, and for batches too large for the window."""

    cache: BlockCache
    slots_NK: Tensor
    """Cache rows that receive the new keys and values, one per key/value head."""
    tables_BKn: Tensor
    """Blocks of each request, one list per key/value head."""

    def extend(self, layer: int, k_NKD: Tensor, v_NKD: Tensor) -> tuple[Tensor, Tensor]:
        self.cache.write(layer, self.slots_NK, k_NKD, v_NKD)
        return self.cache.read(layer, self.tables_BKn)
