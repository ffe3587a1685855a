"""Real SGLang on a machine without a GPU: `python serve.py --model-path ... --device cpu`, arguments as SGLang's own.

SGLang starts its processes by spawning, and a spawned process runs this file's top level before anything else: so the
two cures below are in place in each of them, and no installed file is edited.
"""

import importlib.machinery
import os
import sys
import types

import torch

# torchvision's CUDA build cannot load its operators beside a torch for CPUs, and its import then fails at describing
# them. Declared without an implementation they can be described, and nobody calls them.
_torchvision_operators = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    _torchvision_operators.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _rotary_embedding(*_: object) -> None:
    raise NotImplementedError("vLLM's rotary embedding is not installed; SGLang's native one runs on CPUs")


# SGLang imports this one name from vLLM on a platform that it has no kernels for, and never calls it there.
for _name in ("vllm", "vllm._custom_ops"):
    sys.modules[_name] = types.ModuleType(_name)
    sys.modules[_name].__spec__ = importlib.machinery.ModuleSpec(_name, None)
sys.modules["vllm._custom_ops"].rotary_embedding = _rotary_embedding  # type: ignore[attr-defined]
sys.modules["vllm"]._custom_ops = sys.modules["vllm._custom_ops"]  # type: ignore[attr-defined]

if __name__ == "__main__":
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args
    from sglang.srt.utils import kill_process_tree

    try:
        run_server(prepare_server_args(sys.argv[1:]))
    finally:
        kill_process_tree(os.getpid(), include_parent=False)
