"""The KV cache: preallocated blocks of positions, and a table of full blocks whose content may be reused.

A full block is known by (its parent, its tokens); the parent of a first block is the root that the caller names. Keys
are compared in full, so two prefixes are never confused, and a root that names the weights' generation keeps keys and
values of old weights from ever being found again.

Axes: B requests, n blocks.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from student_inference.config import ModelConfig
from student_inference.pages import Pages

# Padding of token batches and block tables points here; its content is finite and always masked.
TRASH_BLOCK = 0

Key = tuple[Hashable, tuple[int, ...]]


@dataclass
class Chain:
    """The blocks of one request, in order; the first `published` of them can be found by others under `node`."""

    node: Hashable
    blocks: list[int] = field(default_factory=list)
    published: int = 0


def block_table(chains: Sequence[Chain | None], width: int) -> Tensor:
    """The first `width` blocks [B, width] of each chain, padded with the trash block."""
    rows = []
    for chain in chains:
        blocks = chain.blocks[:width] if chain else []
        rows.append(blocks + [TRASH_BLOCK] * (width - len(blocks)))
    return torch.tensor(rows)


class BlockCache:
    """Keys and values of `num_blocks` blocks for every layer, allocated once: the memory bound of the engine."""

    def __init__(
        self, config: ModelConfig, num_blocks: int, block_size: int, dtype: torch.dtype, threads: int = 1
    ) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.pages = Pages(config, num_blocks + 1, block_size, dtype, threads)
        self._free = deque(range(1, num_blocks + 1))
        self._users = [0] * (num_blocks + 1)
        self._block_of: dict[Key, int] = {}
        self._key_of: dict[int, Key] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._node_of: dict[int, int] = {}
        self._nodes = 0

    def scrub(self, chain: Chain) -> None:
        """Zero the chain's blocks and the trash, forget all prefixes, and publish no more of this chain.

        Masked positions are read too: what is not a number there would spread through every later request.
        """
        self.flush()
        chain.published = len(chain.blocks)
        self.pages.zero([TRASH_BLOCK, *chain.blocks])

    def blocks_for(self, length: int) -> int:
        """Blocks that `length` positions fill."""
        return -(-length // self.block_size)

    @property
    def available(self) -> int:
        """Blocks that a new request could take: never used ones and reusable ones that nobody holds."""
        return len(self._free) + len(self._idle)

    def match(self, root: Hashable, tokens: Sequence[int], limit: int) -> tuple[list[int], Key | None]:
        """Reusable blocks of a prefix of `tokens` (at most `limit` positions), and the key of the first full block
        that is absent (None when fewer than block_size of those positions are left)."""
        found: list[int] = []
        node, size = root, self.block_size
        for start in range(0, limit - size + 1, size):
            key = (node, tuple(tokens[start : start + size]))
            block = self._block_of.get(key)
            if block is None:
                return found, key
            found.append(block)
            node = self._node_of[block]
        return found, None

    def reserve(self, root: Hashable, shared: list[int], count: int) -> Chain | None:
        """A chain of `count` blocks that begins with the `shared` ones; None when the rest does not fit."""
        idle_shared = sum(self._users[block] == 0 for block in shared)
        if count - len(shared) > self.available - idle_shared:
            return None
        for block in shared:
            self._users[block] += 1
            self._idle.pop(block, None)
        fresh = sorted(self._take() for _ in range(count - len(shared)))
        return Chain(self._node_of[shared[-1]] if shared else root, shared + fresh, len(shared))

    def publish(self, chain: Chain, tokens: Sequence[int], computed: int) -> None:
        """Make the chain's full blocks findable; only the first `computed` tokens have keys and values."""
        size = self.block_size
        while (chain.published + 1) * size <= computed:
            start, block = chain.published * size, chain.blocks[chain.published]
            key = (chain.node, tuple(tokens[start : start + size]))
            holder = self._block_of.setdefault(key, block)
            if holder == block:
                self._key_of[block] = key
                self._nodes += 1
                self._node_of[block] = self._nodes
            chain.node = self._node_of[holder]
            chain.published += 1

    def release(self, chain: Chain) -> None:
        """Give the blocks back; findable ones stay until they are needed, the tail of a prefix goes first."""
        for block in reversed(chain.blocks):
            self._users[block] -= 1
            if self._users[block] == 0:
                if block in self._key_of:
                    self._idle[block] = None
                else:
                    self._free.append(block)
        chain.blocks = []

    def flush(self) -> None:
        """Forget every prefix; blocks in use stay with their requests."""
        self._free.extend(self._idle)
        self._idle.clear()
        self._block_of.clear()
        self._key_of.clear()

    def _take(self) -> int:
        if self._free:
            block = self._free.popleft()
        else:
            block, _ = self._idle.popitem(last=False)
            del self._block_of[self._key_of.pop(block)]
        self._users[block] = 1
        return block
