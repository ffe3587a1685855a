"""A contiguous copy of the running requests' keys and values, one row each, so that a decode step gathers no blocks.

Axes: B requests, S = 1 new token of each, K key/value heads, L positions, D channels of a head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from student_inference.cache import BlockCache, Chain, block_table
from student_inference.request import Request

# The window is allocated in steps of this many rows, so that it is not made anew for each arrival.
ROW_STEP = 16


class Window:
    """Rows of keys and values beside the cache, never more positions than the cache itself has."""

    def __init__(self, cache: BlockCache) -> None:
        self._cache = cache
        self._chains: list[Chain] = []
        self._rows = self._positions = 0
        self._storage = cache.storage.new_empty(0)

    def seat(self, requests: Sequence[Request]) -> list[Request] | None:
        """Give every request a row and return them in row order; None when they do not fit.

        Whoever had a row and still has the same blocks keeps what is in it; the others are read from the cache.
        """
        if not self._make_room(len(requests), max(request.reserved for request in requests)):
            return None
        row_of = {id(chain): row for row, chain in enumerate(self._chains)}
        seats: dict[int, Request] = {}
        seatless: list[tuple[int | None, Request]] = []
        for request in requests:
            row = row_of.get(id(request.chain))
            if row is not None and row < len(requests):
                seats[row] = request
            else:
                seatless.append((row, request))
        free = (row for row in range(len(requests)) if row not in seats)
        placed = [(old, new, request) for new, (old, request) in zip(free, seatless, strict=True)]
        self._move([(old, new) for old, new, _ in placed if old is not None])
        self._load([(new, request) for old, new, request in placed if old is None])
        seats.update((new, request) for _, new, request in placed)
        order = [seats[row] for row in range(len(requests))]
        self._chains = [request.chain for request in order if request.chain is not None]
        return order

    def slots(self, positions_B1: Tensor) -> Tensor:
        """Flat indices [B, K] of one position in every row."""
        heads = self._cache.kv_heads
        rows = torch.arange(len(positions_B1) * heads).view(-1, heads)
        return rows * self._positions + positions_B1

    def write(self, layer: int, slots_BK: Tensor, k_BKD: Tensor, v_BKD: Tensor) -> None:
        """Store one key and value of every row."""
        rows = slots_BK.flatten()
        for part, new in zip(self._storage[layer], (k_BKD, v_BKD), strict=True):
            part.view(-1, new.shape[-1]).index_copy_(0, rows, new.reshape(-1, new.shape[-1]))

    def read(self, layer: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values [B, K, L, D] of the first `length` positions, without a copy."""
        keys, values = self._storage[layer]
        return keys[:rows, :, :length], values[:rows, :, :length]

    def _make_room(self, rows: int, positions: int) -> bool:
        """Grow when needed; all rows are read anew then. False when that would exceed the bound."""
        if rows > self._rows or positions > self._positions:
            cache = self._cache
            rows = -(-rows // ROW_STEP) * ROW_STEP
            positions = cache.blocks_for(positions) * cache.block_size
            if rows * positions > cache.num_blocks * cache.block_size:
                return False
            layers, _, _, channels = cache.storage.shape
            self._chains, self._rows, self._positions = [], rows, positions
            self._storage = cache.storage.new_zeros(layers, 2, rows, cache.kv_heads, positions, channels)
        return True

    def _move(self, moves: list[tuple[int, int]]) -> None:
        if moves:
            old, new = map(list, zip(*moves, strict=True))
            self._storage[:, :, new] = self._storage[:, :, old]

    def _load(self, newcomers: list[tuple[int, Request]]) -> None:
        if newcomers:
            rows, requests = map(list, zip(*newcomers, strict=True))
            cache = self._cache
            width = cache.blocks_for(max(request.length for request in requests))
            tables = cache.tables(block_table([request.chain for request in requests], width))
            length = tables.shape[-1] * cache.block_size
            for layer, (keys, values) in enumerate(self._storage):
                keys[rows, :, :length], values[rows, :, :length] = cache.read(layer, tables)
