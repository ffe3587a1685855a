"""Token ids and log-probabilities as plain numbers, one behind the other: nothing to parse, small, equal to the bit.

On the wire: one byte for the kind of number (`i` int32, `f` float32, `d` float64), then the numbers, little-endian.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Self, TypeVar, overload

Number = TypeVar("Number", int, float)


class Packed(Sequence[Number]):
    """A sequence that never changes; equal to a list of the same numbers."""

    __slots__ = ("numbers",)
    kinds: ClassVar[str]
    numbers: "array[Any]"

    def __init__(self, numbers: "array[Any]") -> None:
        self.numbers = numbers

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Raises ValueError for what is not of this format."""
        kind = chr(data[0]) if data else ""
        if not kind or kind not in cls.kinds:
            raise ValueError(f"packed numbers of kind {kind!r}, wanted one of {cls.kinds!r}")
        numbers: array[Any] = array(kind)
        numbers.frombytes(memoryview(data)[1:])
        return cls(in_wire_order(numbers))

    def pack(self) -> bytes:
        """As `unpack` reads it."""
        return b"".join((self.numbers.typecode.encode(), in_wire_order(self.numbers)))

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Number]:
        return iter(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Number: ...
    @overload
    def __getitem__(self, place: slice) -> list[Number]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self.numbers[place].tolist() if isinstance(place, slice) else self.numbers[place]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed):
            return bool(self.numbers == other.numbers)
        return self.numbers.tolist() == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.numbers.tolist())


class TokenIds(Packed[int]):
    """Ids of tokens."""

    __slots__ = ()
    kinds = "i"

    @classmethod
    def of(cls, token_ids: Iterable[int]) -> Self:
        """Raises TypeError or ValueError for what is no 32-bit number."""
        try:
            return cls(array("i", token_ids))
        except OverflowError as error:
            raise ValueError(f"a token id is no 32-bit number: {error}") from error


class Logprobs(Packed[float]):
    """Nats. Engines compute with float32, which is then kept as such; what does not fit it exactly, as float64."""

    __slots__ = ()
    kinds = "fd"

    @classmethod
    def of(cls, logprobs: Iterable[float]) -> Self:
        """Raises TypeError for what is no number."""
        given = list(logprobs)
        short = array("f", given)
        return cls(short if short.tolist() == given else array("d", given))


def in_wire_order(numbers: "array[Any]") -> "array[Any]":
    """Little-endian on every machine."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


def from_wire(kind: type, data: Any) -> Any:
    """msgspec's hook for decoding: packed, or a list as records of version 1 have it. Raises TypeError, ValueError."""
    if not issubclass(kind, TokenIds | Logprobs):
        raise TypeError(f"{kind.__name__} has no form on the wire")
    return kind.unpack(data) if isinstance(data, bytes) else kind.of(data)


def to_wire(value: Any) -> bytes:
    """msgspec's hook for encoding. Raises TypeError."""
    if not isinstance(value, Packed):
        raise TypeError(f"{type(value).__name__} has no form on the wire")
    return value.pack()
