"""Weights that arrive as the body of a request: kept in a directory of their own once they are whole and checked."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from math import prod
from pathlib import Path
from typing import BinaryIO

import xxhash

from student_inference.bodies import timed
from student_inference.config import ModelConfig, ModelError
from student_inference.loading import SINGLE_FILE
from student_inference.weights import tensor_shapes

# The names and shapes of the largest checkpoints fill less than a megabyte.
HEADER_BYTES = 16 * 2**20
# Large enough that a hop to a thread costs nothing beside the write.
WRITE_BYTES = 4 * 2**20
# The newest, and the one before it, to which a trainer may go back.
KEPT_UPLOADS = 2
CHECKSUM = re.compile(r"[0-9a-f]{32}")


class TooLarge(ModelError):
    """More bytes than the served model's tensors can fill."""


class Uploads:
    """Directories below `root`, named by the XXH3-128 of their weights; `root` belongs to one engine alone."""

    def __init__(self, root: Path, config: ModelConfig, config_json: bytes) -> None:
        self.root = root
        self.limit = sum(4 * prod(shape) for _, shape in tensor_shapes(config)) + HEADER_BYTES
        self._config_json = config_json
        self._one_at_a_time = asyncio.Lock()

    async def receive(self, body: AsyncIterator[bytes], checksum: str) -> Path:
        """Stream a safetensors file to the disk. Returns the model directory that holds it.

        Raises ModelError for a body that is not as promised, and OSError.
        """
        if not CHECKSUM.fullmatch(checksum):
            raise ModelError("xxh128: give the XXH3-128 of the body as 32 hexadecimal digits")
        async with self._one_at_a_time:
            self.root.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.root))
            try:
                await self._write(body, unfinished / SINGLE_FILE, checksum)
                (unfinished / "config.json").write_bytes(self._config_json)
                return await asyncio.to_thread(self._keep, unfinished, self.root / checksum)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    async def _write(self, body: AsyncIterator[bytes], path: Path, checksum: str) -> None:
        digest, size, pending = xxhash.xxh3_128(), 0, bytearray()
        with path.open("wb") as file:
            writing = asyncio.ensure_future(asyncio.to_thread(write_and_hash, file, digest, bytearray()))
            try:
                async for chunk in timed(body):
                    size += len(chunk)
                    if size > self.limit:
                        raise TooLarge(f"the body is longer than {self.limit} bytes, all that this model can fill")
                    pending += chunk
                    if len(pending) >= WRITE_BYTES:
                        await writing
                        writing = asyncio.ensure_future(asyncio.to_thread(write_and_hash, file, digest, pending))
                        pending = bytearray()
            finally:
                await writing  # the file must not be closed under it
            await asyncio.to_thread(write_and_hash, file, digest, pending)
        if digest.hexdigest() != checksum:
            raise ModelError(
                f"the XXH3-128 of the {size} bytes is {digest.hexdigest()}, not {checksum}; send them again"
            )

    def _keep(self, unfinished: Path, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        known = [path for path in self.root.iterdir() if CHECKSUM.fullmatch(path.name)]
        for old in sorted(known, key=lambda path: path.stat().st_mtime_ns)[:-KEPT_UPLOADS]:
            shutil.rmtree(old, ignore_errors=True)
        return target


def write_and_hash(file: BinaryIO, digest: xxhash.xxh3_128, data: bytearray) -> None:
    file.write(data)
    digest.update(data)
