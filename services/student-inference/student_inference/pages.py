"""Keys and values of all layers in blocks of positions: what the forward pass writes and reads.

Axes: B requests, N new tokens, K key/value heads, H query heads, G = H / K, D channels of a head, b blocks, n blocks of
a request, S positions of a block, L = n * S.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from student_inference.config import ModelConfig
from student_inference.kernels import attention, store


class Pages:
    """Allocated once. In a block each head's keys lie with their channels before their positions, its values the other
    way round: as the products with queries and weights read them."""

    def __init__(self, config: ModelConfig, blocks: int, block_size: int, dtype: torch.dtype, threads: int) -> None:
        K, D = config.num_kv_heads, config.head_dim
        self.block_size, self.dtype, self.group_size = block_size, dtype, config.group_size
        self.keys_lbKDS = torch.zeros(config.num_layers, blocks, K, D, block_size, dtype=dtype)
        self.values_lbKSD = torch.zeros(config.num_layers, blocks, K, block_size, D, dtype=dtype)
        self.nbytes = self.keys_lbKDS.nbytes + self.values_lbKSD.nbytes
        bf16 = dtype == torch.bfloat16
        self._store, self._attend = store(bf16), attention(D, self.group_size, block_size, bf16)
        self._layers = list(zip(as_array(self.keys_lbKDS), as_array(self.values_lbKSD), strict=True))
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="attention")

    def slots(self, blocks_BS: Tensor, positions_BS: Tensor) -> Tensor:
        """Where new tokens belong [N], given the block of each."""
        return (blocks_BS * self.block_size + positions_BS % self.block_size).flatten()

    def store(self, layer: int, slots_N: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> None:
        self._store(*self._layers[layer], slots_N.numpy(), as_array(k_NKD), as_array(v_NKD))

    def gather(self, layer: int, table_Bn: Tensor) -> tuple[Tensor, Tensor]:
        """Copies [B, K, L, D] of all positions of these blocks."""
        (B, n), (K, D, S) = table_Bn.shape, self.keys_lbKDS.shape[2:]
        keys_BnKDS = self.keys_lbKDS[layer].index_select(0, table_Bn.flatten()).view(B, n, K, D, S)
        values_BnKSD = self.values_lbKSD[layer].index_select(0, table_Bn.flatten()).view(B, n, K, S, D)
        keys_BKLD = keys_BnKDS.permute(0, 2, 1, 4, 3).reshape(B, K, n * S, D)
        return keys_BKLD, values_BnKSD.transpose(1, 2).reshape(B, K, n * S, D)

    def attend(self, layer: int, q_BHD: Tensor, table_Bn: Tensor, lengths_B: Tensor) -> Tensor:
        """[B, H*D]: each request's one query, already scaled, sees its first positions, as many as its length."""
        q_BKGD = q_BHD.float().view(len(q_BHD), -1, self.group_size, q_BHD.shape[-1]).numpy()
        out_BKGD = np.empty(q_BKGD.shape, np.float32)
        rows = (q_BKGD, table_Bn.numpy(), lengths_B.numpy(), out_BKGD)
        if self._threads == 1:
            self._attend_rows(layer, *rows)
        else:
            parts = zip(*(np.array_split(part, self._threads) for part in rows), strict=True)
            list(self._pool.map(lambda part: self._attend_rows(layer, *part), parts))
        return torch.from_numpy(out_BKGD).view(len(q_BHD), -1).to(self.dtype)

    def _attend_rows(self, layer: int, q: np.ndarray, table: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> None:
        self._attend(q, *self._layers[layer], table, lengths, out)

    def zero(self, blocks: list[int]) -> None:
        for part in (self.keys_lbKDS, self.values_lbKSD):
            part[:, blocks] = 0.0


def as_array(numbers: Tensor) -> Any:
    """The same memory; bf16, which numpy does not know, as its bits."""
    return numbers.view(torch.uint16).numpy() if numbers.dtype == torch.bfloat16 else numbers.numpy()
