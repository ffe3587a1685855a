"""Weights that arrive as the body of a request, read straight into the memory from which they will be served."""

from student_inference.config import ModelConfig, ModelError
from student_inference.inflow import Inflow
from student_inference.loading import Filling
from student_inference.tensor_files import LONGEST_HEADER_BYTES, read_next
from student_inference.weights import weight_bytes


class TooLarge(ModelError):
    """More bytes than the served model's tensors can fill."""


def most_bytes(config: ModelConfig) -> int:
    """What an upload may be long: all tensors in fp32, and what stands beside them."""
    return weight_bytes(config) + LONGEST_HEADER_BYTES


def promised_length(header: str | None, most: int) -> int:
    """The Content-Length of a body. Raises ModelError where there is none, and TooLarge."""
    if header is None:
        raise ModelError("Content-Length: give the length of the body; it cannot be sent in chunks")
    length = int(header)
    if length > most:
        raise TooLarge(f"the body of {length} bytes is longer than {most}, all that this model can fill")
    return length


def read_upload(body: Inflow, filling: Filling) -> None:
    """Safetensors files one after the other, each with its XXH3-128 (16 bytes) behind it.

    Raises ModelError as `fill` does, and for what was damaged, broken off or does not end where a file does.
    """
    while body.left:
        read_next(body, body.left, filling.place)
    filling.check_complete()
