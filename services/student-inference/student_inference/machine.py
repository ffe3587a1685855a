"""How many of this machine's GPUs a model needs."""

import subprocess
from pathlib import Path

from student_inference.config import ModelError, read_json

# It answers in a second; a driver that hangs must not hang the launcher.
ASK_SECONDS = 30.0
QUESTION = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
# The rest is for keys and values: with hardly any room for them an engine serves one request at a time.
WEIGHTS_SHARE = 0.75


def gpu_bytes() -> list[int]:
    """Memory of each NVIDIA GPU; empty without a GPU or its driver."""
    try:
        told = subprocess.run(QUESTION, capture_output=True, text=True, timeout=ASK_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [int(line) * 2**20 for line in told.split() if line.isdecimal()]


def gpus_for_one_copy(model: Path, gpus: list[int], memory_fraction: float) -> int:
    """As few as hold the weights and divide the model's heads. Raises ModelError when all together are too small."""
    needed = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    if not needed:
        raise ModelError(f"model_path: {model} holds no safetensors files; give a Hugging Face directory")
    heads = int(read_json(model / "config.json").get("num_attention_heads", 1))
    room = min(gpus) * memory_fraction * WEIGHTS_SHARE
    for count in range(1, len(gpus) + 1):
        if heads % count == 0 and needed <= count * room:
            return count
    raise ModelError(
        f"model_path: {needed / 2**30:.1f} GiB of weights do not fit on {len(gpus)} GPUs, {room / 2**30:.1f} GiB "
        "on each; choose a smaller model, or set tensor_parallel and extra for several machines"
    )
