"""A contiguous copy of the running requests' keys and values, so that a decode step gathers no blocks.

One row for each request, aligned at the right: the newest positions of all rows share a column. So a step stores its
keys and values by one slice, the mask never changes while the batch stays the same, and columns that nobody uses are
not read. Keys lie with their channels before their positions, which the product with the queries reads fastest.

The cache does not have the new positions until `settle`: whoever ends a batch calls it.

Axes: B requests, K key/value heads, W columns, L columns that are read, D channels of a head.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from student_inference.cache import BlockCache, Chain, block_table
from student_inference.request import Request

# The window is allocated in steps, so that it is not made anew for each arrival.
ROW_STEP = 16
COLUMN_STEP = 64


class Window:
    """Rows of keys and values beside the cache, never more positions than the cache itself has."""

    def __init__(self, cache: BlockCache) -> None:
        self._cache = cache
        self._chains: list[Chain] = []
        self._rows = self._width = 0
        self._first = self._end = 0
        self._keys = self._values = cache.storage.new_empty(0)
        self.mask_B1L = cache.storage.new_empty(0)
        """Additive mask of the leading columns that some rows do not use; the columns after them are used by all."""

    def seat(self, requests: Sequence[Request]) -> list[Request] | None:
        """Give every request a row and return them in row order; None when they do not fit.

        Whoever had a row and still has the same blocks keeps what is in it; the others are read from the cache.
        """
        stored = max(map(stored_positions, requests))
        coming = max(request.reserved - stored_positions(request) for request in requests)
        if not self._holds(len(requests), stored, coming):
            self._chains = []
            if not self._make_room(len(requests), stored + coming):
                return None
            self._end = self._width - coming
        order = self._arrange(requests)
        self._chains = [request.chain for request in order if request.chain is not None]
        starts_B = self._end - torch.tensor([stored_positions(request) for request in order])
        self._first = int(starts_B.min())
        hidden_BL = torch.arange(self._first, int(starts_B.max())) < starts_B.unsqueeze(1)
        mask_BL = torch.zeros(hidden_BL.shape, dtype=self._values.dtype).masked_fill_(hidden_BL, float("-inf"))
        self.mask_B1L = mask_BL.unsqueeze(1)
        return order

    def extend(self, layer: int, k_BKD: Tensor, v_BKD: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new position of every row; returns all keys and values [B, K, L, D] without a copy."""
        rows, end = len(k_BKD), self._end
        keys, values = self._keys[layer, :rows], self._values[layer, :rows]
        keys[..., end] = k_BKD
        values[:, :, end] = v_BKD
        return keys[..., self._first : end + 1].transpose(2, 3), values[:, :, self._first : end + 1]

    def advance(self) -> None:
        """The next position goes into the next column."""
        self._end += 1

    def settle(self, slots_BSK: Tensor) -> None:
        """Write the S newest positions of every row to these rows of the cache."""
        rows, steps, _ = slots_BSK.shape
        slots, columns = slots_BSK.flatten(0, 1), slice(self._end - steps, self._end)
        for layer in range(len(self._keys)):
            keys = self._keys[layer, :rows, :, :, columns].permute(0, 3, 1, 2)
            values = self._values[layer, :rows, :, columns].transpose(1, 2)
            self._cache.write(layer, slots, keys.flatten(0, 1), values.flatten(0, 1))

    def scrub(self, chain: Chain) -> None:
        """Zero the chain's row: its masked columns are read by whoever gets it next."""
        for row, seated in enumerate(self._chains):
            if seated is chain:
                self._keys[:, row] = 0.0
                self._values[:, row] = 0.0

    def _holds(self, rows: int, stored: int, coming: int) -> bool:
        """Whether newcomers fit beside the rows that are there."""
        fits = rows <= self._rows and stored <= self._end <= self._width - coming
        return bool(self._chains) and fits

    def _make_room(self, rows: int, columns: int) -> bool:
        """Grow when needed; all rows are read anew then. False when that would exceed the bound."""
        if rows > self._rows or columns > self._width:
            cache = self._cache
            rows = -(-rows // ROW_STEP) * ROW_STEP
            columns = -(-columns // COLUMN_STEP) * COLUMN_STEP
            if rows * columns > cache.num_blocks * cache.block_size:
                return False
            layers, _, _, channels = cache.storage.shape
            self._rows, self._width = rows, columns
            self._keys = cache.storage.new_zeros(layers, rows, cache.kv_heads, channels, columns)
            self._values = cache.storage.new_zeros(layers, rows, cache.kv_heads, columns, channels)
        return True

    def _arrange(self, requests: Sequence[Request]) -> list[Request]:
        """Choose a row for each request and fill it; returns the requests in row order."""
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
        return [seats[row] for row in range(len(requests))]

    def _move(self, moves: list[tuple[int, int]]) -> None:
        if moves:
            old, new = map(list, zip(*moves, strict=True))
            for storage in (self._keys, self._values):
                storage[:, new] = storage[:, old]

    def _load(self, newcomers: list[tuple[int, Request]]) -> None:
        """Read rows from the cache, all of one length at a time."""
        by_length = sorted(newcomers, key=lambda newcomer: newcomer[1].length)
        for stored, group in groupby(by_length, key=lambda newcomer: stored_positions(newcomer[1])):
            rows, requests = map(list, zip(*group, strict=True))
            cache, columns = self._cache, slice(self._end - stored, self._end)
            tables = cache.tables(block_table([request.chain for request in requests], cache.blocks_for(stored)))
            for layer in range(len(self._keys)):
                keys, values = cache.read(layer, tables)
                self._keys[layer, rows, :, :, columns] = keys[:, :, :stored].transpose(2, 3)
                self._values[layer, rows, :, columns] = values[:, :, :stored]


def stored_positions(request: Request) -> int:
    """Positions whose keys and values exist: the newest token has not been fed back yet."""
    return request.length - 1
