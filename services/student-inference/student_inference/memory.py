"""What the attention of one forward pass stores and sees: the cache, through the blocks of its requests.

Axes: B requests, N new tokens, S new tokens of each (padded), K key/value heads, H query heads, G = H / K, n blocks of
a request, L positions, D channels of a head.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from student_inference.pages import Pages


@dataclass(frozen=True)
class Memory(ABC):
    """The keys and values that the new tokens of a forward pass may see, their own among them."""

    pages: Pages
    slots_N: Tensor
    table_Bn: Tensor

    def store(self, layer: int, k_NKD: Tensor, v_NKD: Tensor) -> None:
        """Those of the new tokens."""
        self.pages.store(layer, self.slots_N, k_NKD, v_NKD)

    @abstractmethod
    def attend(self, layer: int, q_NHD: Tensor) -> Tensor:
        """[N, H*D]. Queries and keys are scaled already."""


@dataclass(frozen=True)
class NewestTokens(Memory):
    """One new token of each request, which sees everything of it."""

    lengths_B: Tensor

    def attend(self, layer: int, q_NHD: Tensor) -> Tensor:
        return self.pages.attend(layer, q_NHD, self.table_Bn, self.lengths_B)


@dataclass(frozen=True)
class NewTokens(Memory):
    """Several new tokens of each request: its positions are gathered, and the mask says what each token sees."""

    mask_B1ML: Tensor
    """Additive, M = G * S: 0 where a token sees a position, else -inf."""

    def attend(self, layer: int, q_NHD: Tensor) -> Tensor:
        """The G queries of one key/value head are treated as G more positions."""
        keys_BKLD, values_BKLD = self.pages.gather(layer, self.table_Bn)
        (B, K, _, D), (N, H, _) = keys_BKLD.shape, q_NHD.shape
        S, G = N // B, H // K
        q = q_NHD.view(B, S, K, G, D).permute(0, 2, 3, 1, 4).reshape(B, K, G * S, D)
        out = scaled_dot_product_attention(q, keys_BKLD, values_BKLD, attn_mask=self.mask_B1ML, scale=1.0)
        return out.view(B, K, G, S, D).permute(0, 3, 1, 2, 4).reshape(N, H * D)
