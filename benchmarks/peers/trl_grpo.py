"""TRL's GRPOTrainer as the peer of trainer_step: runs under a Python that has trl, one step for each line on stdin.

Reads a model directory and trajectories; gives TRL exactly those as finished rollouts, guidance masked as TRL masks
tool results. For each step it writes a JSON line: wall and CPU seconds from on_step_begin to on_step_end, and the
gradient norm.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class FinishedRollouts(GRPOTrainer):  # type: ignore[misc]
    """Trains on the given tensors instead of generating."""

    def __init__(self, tensors: dict[str, torch.Tensor], **options: Any) -> None:
        super().__init__(**options)
        self.tensors = {name: tensor.to(self.accelerator.device) for name, tensor in tensors.items()}
        self.served = 0

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, torch.Tensor]:
        size, rollouts = self.args.per_device_train_batch_size, len(self.tensors["prompt_ids"])
        start = self.served * size % rollouts
        self.served += 1
        chosen = {name: tensor[start : start + size] for name, tensor in self.tensors.items()}
        tokens = (self.tensors["completion_mask"] * self.tensors["tool_mask"]).sum()
        return chosen | {"num_items_in_batch": tokens}


class OnDemand(TrainerCallback):  # type: ignore[misc]
    """A step for each line on stdin, none after its end."""

    started = started_cpu = seconds = cpu_seconds = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not sys.stdin.readline():
            raise SystemExit(0)
        self.started, self.started_cpu = time.perf_counter(), time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seconds = time.perf_counter() - self.started
        self.cpu_seconds = time.process_time() - self.started_cpu

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if "grad_norm" in logs:
            line = {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "gradient_norm": logs["grad_norm"]}
            line["peak_bytes"] = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
            sys.__stdout__.write(json.dumps(line) + "\n")  # type: ignore[union-attr]
            sys.__stdout__.flush()  # type: ignore[union-attr]


def padded(sequences: list[list[float]], left: bool, dtype: torch.dtype) -> torch.Tensor:
    """Zeros to the longest of the batch, on the side where TRL puts them."""
    width = max(map(len, sequences))
    fill = [[0.0] * (width - len(sequence)) for sequence in sequences]
    pairs = zip(fill, sequences, strict=True)
    return torch.tensor([(a + b) if left else (b + a) for a, b in pairs], dtype=dtype)


def tensors_of(rollouts: list[dict[str, list[float]]]) -> dict[str, torch.Tensor]:
    """TRL's own layout: prompts to the left, completions (attempts and guidance) to the right."""
    prompts = [rollout["prompt"] for rollout in rollouts]
    completions = [rollout["completion"] for rollout in rollouts]
    return {
        "prompt_ids": padded(prompts, True, torch.long),
        "prompt_mask": padded([[1.0] * len(item) for item in prompts], True, torch.long),
        "completion_ids": padded(completions, False, torch.long),
        "completion_mask": padded([[1.0] * len(item) for item in completions], False, torch.long),
        "tool_mask": padded([rollout["mask"] for rollout in rollouts], False, torch.long),
        "advantages": padded([rollout["advantages"] for rollout in rollouts], False, torch.float32),
        "old_per_token_logps": padded([rollout["logprobs"] for rollout in rollouts], False, torch.float32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("rollouts", type=Path)
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="any tokenizer: TRL asks for one and never uses it"
    )
    parser.add_argument("--batch", type=int, required=True, help="per_device_train_batch_size")
    parser.add_argument("--gpu", action="store_true", help="as TRL trains by default: bf16, layers recomputed")
    options = parser.parse_args()
    if not options.gpu:
        torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):  # the trainer prints its own logs
        train(options)


def train(options: argparse.Namespace) -> None:
    """Until stdin ends."""
    tensors = tensors_of(json.loads(options.rollouts.read_text()))
    count, group = len(tensors["prompt_ids"]), 8
    with tempfile.TemporaryDirectory() as output:
        config = GRPOConfig(
            output_dir=output,
            per_device_train_batch_size=options.batch,
            gradient_accumulation_steps=count // options.batch,
            num_generations=group,
            loss_type="dapo",  # the mean over all student tokens, as ours
            beta=0.0,
            learning_rate=1e-6,
            max_grad_norm=1.0,
            weight_decay=0.01,
            lr_scheduler_type="constant",
            max_steps=10_000,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            gradient_checkpointing=options.gpu,  # on by default; on the CPU ours recomputes nothing either
            bf16=options.gpu,
            use_cpu=not options.gpu,
        )
        FinishedRollouts(
            tensors,
            model=AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32),  # masters; bf16 by autocast
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=config,
            train_dataset=Dataset.from_list([{"prompt": "x"}] * count),
            processing_class=AutoTokenizer.from_pretrained(options.tokenizer),
            callbacks=[OnDemand()],
        ).train()


if __name__ == "__main__":
    main()
