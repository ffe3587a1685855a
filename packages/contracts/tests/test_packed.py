"""Packed numbers: the same to the bit, in as few bytes as that takes."""

import math
from array import array
from struct import pack

import pytest
from contracts.packed import Logprobs, Packed, TokenIds
from hypothesis import given
from hypothesis import strategies as st

floats = st.floats(allow_nan=True) | st.floats(width=32)


def bits(values: list[float]) -> bytes:
    return pack(f"{len(values)}d", *values)


@given(st.lists(floats, max_size=8))
def test_log_probabilities_are_equal_to_the_bit(values: list[float]) -> None:
    found = list(Logprobs.unpack(Logprobs.of(values).pack()))
    numbers = [value for value in values if not math.isnan(value)]
    assert bits([value for value in found if not math.isnan(value)]) == bits(numbers)
    assert [math.isnan(value) for value in found] == [math.isnan(value) for value in values]


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=8))
def test_what_an_engine_computes_takes_four_bytes(values: list[float]) -> None:
    assert len(Logprobs.of(values).pack()) == 1 + 4 * len(values)


def test_what_does_not_fit_takes_eight() -> None:
    for values in ([-0.1], [-0.5, -1e300], [5e-324]):
        assert Logprobs.of(values).pack() == b"d" + array("d", values).tobytes()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8))
def test_token_ids_are_a_sequence_like_a_list(values: list[int]) -> None:
    ids = TokenIds.unpack(TokenIds.of(values).pack())
    assert (len(ids), list(ids), ids[1:], ids[-2:], bool(ids)) == (
        len(values),
        values,
        values[1:],
        values[-2:],
        bool(values),
    )
    assert ids == values
    assert ids == TokenIds.of(values)
    assert ids != [*values, 1]
    assert [ids[place] for place in range(len(values))] == values


@pytest.mark.parametrize("kind", [TokenIds, Logprobs])
@pytest.mark.parametrize("data", [b"", b"q\0\0\0\0", b"i\0", b"d\0\0\0\0", b"\xff"])
def test_other_bytes_are_refused(kind: type[Packed], data: bytes) -> None:
    with pytest.raises(ValueError, match=r"packed numbers of kind|multiple of item size"):
        kind.unpack(data)


def test_on_the_wire_the_least_byte_comes_first_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of the other order array's own bytes are the other way round."""
    assert TokenIds.of([1]).pack() == b"i\1\0\0\0"
    monkeypatch.setattr("contracts.packed.sys.byteorder", "big")
    ids = TokenIds.of([1])
    assert [ids.pack(), ids.pack()] == [b"i\0\0\0\1"] * 2
    assert TokenIds.unpack(b"i\0\0\0\1") == [1]
