"""Attention of one query for each request over blocks, and writes into blocks: compiled in the process, by numba.

A step that decodes reads all keys and values once and does little with them. Batched products of torch take longer
than the reading (benchmarks/decode_attention.py) and want the blocks of a request copied together first.

Axes: B requests, K key/value heads, G query heads of one of them, D channels of a head, b blocks, n blocks of a
request, S positions of a block, L positions, N new tokens, R rows, C columns.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import float32, int64, njit, uint16, void

# Sums may be taken in any order, but what is not a number stays so: it tells of weights that give none.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# Sums are read and written once for so many rows.
UNROLLED = 8
# exp(x) = 2^n exp(r) with |r| <= log(2)/2, and the polynomial of r, as in Cephes' expf.
LOG2_E, LOG_2_HIGH, LOG_2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
E7, E6, E5 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
E4, E3, E2 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
# exp of less is 0, as near as it matters beside the 1 of the highest score.
LOWEST = np.float32(-87.0)
FRACTION_BITS, BIAS = np.int32(23), np.int32(127)

# (queries_BKGD, keys_bKDS, values_bKSD, tables_Bn, lengths_B, out_BKGD): every query sees the first positions of its
# request, as many as its length, at least one. Queries, already scaled, and results are fp32.
Attend = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
# (keys_bKDS, values_bKSD, slots_N, new_keys_NKD, new_values_NKD): slot = block * S + position in it.
Store = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


def compiled(function: Callable[..., Any], signature: Any = None, **options: Any) -> Any:
    """At once for a signature, else for whatever calls it."""
    return njit(signature, nogil=True, error_model="numpy", **{"fastmath": FAST, **options})(function)


@cache
def attention(channels: int, group_size: int, block_size: int, bf16: bool) -> Attend:
    """Compiled for these D, G and S, for fp32 keys and values or for the bits of bf16 ones. Takes two seconds."""
    number = compiled(number_of_bf16 if bf16 else number_of_fp32, inline="always")
    add_channels = compiled(adder(channels, block_size, number), inline="always")
    add_positions = compiled(adder(block_size, channels, number), inline="always")
    score = compiled(scorer(group_size, block_size, add_channels))
    # Which number is the highest matters only where all are numbers.
    normalise = compiled(softmax(exact_exponential(), compiled(highest_of, fastmath=True)))
    weigh = compiled(weigher(group_size, block_size, add_positions))

    def attend(queries_BKGD, keys_bKDS, values_bKSD, tables_Bn, lengths_B, out_BKGD):  # type: ignore[no-untyped-def]
        B, K = queries_BKGD.shape[:2]
        weights_KGL = np.empty((K, group_size, tables_Bn.shape[1] * block_size), np.float32)
        for b in range(B):
            length = lengths_B[b]
            table_n = tables_Bn[b, : (length + block_size - 1) // block_size]
            score(weights_KGL, queries_BKGD[b], keys_bKDS, table_n)
            for k in range(K):
                for g in range(group_size):
                    normalise(weights_KGL[k, g, : table_n.size * block_size], length)
            weigh(out_BKGD[b], weights_KGL, values_bKSD, table_n)

    stored = uint16 if bf16 else float32
    blocks, out = stored[:, :, :, ::1], float32[:, :, :, ::1]
    kernel: Attend = compiled(attend, void(float32[:, :, :, :], blocks, blocks, int64[:, ::1], int64[::1], out))
    return kernel


@cache
def store(bf16: bool) -> Store:
    """Compiled for fp32, or for the bits of bf16."""

    def write(keys_bKDS, values_bKSD, slots_N, new_keys_NKD, new_values_NKD):  # type: ignore[no-untyped-def]
        N, K, D = new_keys_NKD.shape
        S = keys_bKDS.shape[3]
        for n in range(N):
            block, place = slots_N[n] // S, slots_N[n] % S
            for k in range(K):
                for d in range(D):
                    keys_bKDS[block, k, d, place] = new_keys_NKD[n, k, d]
                    values_bKSD[block, k, place, d] = new_values_NKD[n, k, d]

    stored = uint16 if bf16 else float32
    blocks, new = stored[:, :, :, ::1], stored[:, :, :]
    kernel: Store = compiled(write, void(blocks, blocks, int64[::1], new, new))
    return kernel


# What the kernels are made of. Numba compiles it, and nothing else calls it.


def scorer(group_size: int, block_size: int, add_channels: Any) -> Any:
    """Products of the queries with the keys of these blocks."""

    def score(scores_KGL, queries_KGD, keys_bKDS, table_n):  # type: ignore[no-untyped-def]
        scores_KGL[:, :, : table_n.size * block_size] = ZERO
        for i in range(table_n.size):
            keys_KDS = keys_bKDS[table_n[i]]
            for k in range(keys_KDS.shape[0]):
                for g in range(group_size):
                    scores_S = scores_KGL[k, g, i * block_size : (i + 1) * block_size]
                    add_channels(scores_S, queries_KGD[k, g], keys_KDS[k])

    return score


def weigher(group_size: int, block_size: int, add_positions: Any) -> Any:
    """Sums of the values of these blocks, each with its weight."""

    def weigh(out_KGD, weights_KGL, values_bKSD, table_n):  # type: ignore[no-untyped-def]
        out_KGD[:] = ZERO
        for i in range(table_n.size):
            values_KSD = values_bKSD[table_n[i]]
            for k in range(values_KSD.shape[0]):
                for g in range(group_size):
                    weights_S = weights_KGL[k, g, i * block_size : (i + 1) * block_size]
                    add_positions(out_KGD[k, g], weights_S, values_KSD[k])

    return weigh


def adder(rows: int, columns: int, number: Any) -> Any:
    """sums_C += weights_R @ matrix_RC."""

    def add(sums_C, weights_R, matrix_RC):  # type: ignore[no-untyped-def]
        for part in range(rows // UNROLLED):
            w = weights_R[part * UNROLLED : (part + 1) * UNROLLED]
            m = matrix_RC[part * UNROLLED : (part + 1) * UNROLLED]
            w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
            for c in range(columns):
                first = w0 * number(m[0, c]) + w1 * number(m[1, c]) + w2 * number(m[2, c]) + w3 * number(m[3, c])
                last = w4 * number(m[4, c]) + w5 * number(m[5, c]) + w6 * number(m[6, c]) + w7 * number(m[7, c])
                sums_C[c] += first + last
        for row in range(rows - rows % UNROLLED, rows):
            for c in range(columns):
                sums_C[c] += weights_R[row] * number(matrix_RC[row, c])

    return add


def softmax(exp: Any, highest: Any) -> Any:
    """In place, of the first `length` scores; the others get a weight of 0."""

    def normalise(scores_L, length):  # type: ignore[no-untyped-def]
        top = highest(scores_L, length)
        total = ZERO
        for position in range(length):
            scores_L[position] = exp(scores_L[position] - top)
            total += scores_L[position]
        scale = ONE / total
        for position in range(length):
            scores_L[position] *= scale
        scores_L[length:] = ZERO

    return normalise


def highest_of(scores_L, length):  # type: ignore[no-untyped-def]
    top = scores_L[0]
    for position in range(length):
        top = max(top, scores_L[position])
    return top


def exact_exponential() -> Any:
    """Its two products that cancel stay as they are written."""
    return compiled(exponential, fastmath={"contract"})


def exponential(x):  # type: ignore[no-untyped-def]
    """Of an fp32 number of at most 0, to 2e-7 of itself."""
    x = LOWEST if x < LOWEST else x
    power = np.floor(x * LOG2_E + HALF)
    r = x - power * LOG_2_HIGH - power * LOG_2_LOW
    series = ((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2
    scale = np.int32((np.int32(power) + BIAS) << FRACTION_BITS).view(np.float32)
    return (series * r * r + r + ONE) * scale


def number_of_fp32(x):  # type: ignore[no-untyped-def]
    return x


def number_of_bf16(bits):  # type: ignore[no-untyped-def]
    """bf16 is the upper half of an fp32 number."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)
