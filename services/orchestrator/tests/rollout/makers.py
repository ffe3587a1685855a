"""Tiny students of both kinds, and jobs about the built-in task."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.episodes import Episode, Purpose
from contracts.jobs import JobSpec
from contracts.manifests import Manifest, ManifestEntry, episode_id
from contracts.rotation import Rotation, Standing
from orchestrator.rollout.replicas import ReadRotation
from tasks.materials.vocabulary import WORDS
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORD_TURNS = (
    "{% for message in messages %}{% if message.role == 'user' %}{{ '<u> ' + message.content + ' ' }}"
    "{% elif message.role == 'assistant' %}{{ '<a> ' + message.content + ' <end> ' }}"
    "{% else %}{{ raise_exception('user and assistant only') }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<a> ' }}{% endif %}"
)
CORPUS = [
    "you took the lowest gap but conductor means the highest density .",
    "<reasoning>\nthe density of B is highest\n</reasoning>\n<answer>\nB\n</answer>",
    "Your answer is incorrect. Please try again.",
]


def word_tokenizer(template: str | None = WORD_TURNS) -> PreTrainedTokenizerFast:
    """Knows whole words; its control tokens are ordinary entries of its vocabulary."""
    controls = ["<pad>", "<unk>", "<u>", "<a>", "<end>"]
    vocabulary = {word: index for index, word in enumerate([*controls, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\.(?=\s|$)"), " .")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<end>",
        additional_special_tokens=["<u>", "<a>"],
        chat_template=template,
    )


def byte_tokenizer(template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """ChatML over byte-level BPE, as the large students have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=template,
    )


def save_student(tokenizer: PreTrainedTokenizerFast, directory: Path, **config: Any) -> Path:
    """A student's directory without weights: all that a rollout worker reads."""
    tokenizer.save_pretrained(directory)
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 512, "model_type": "qwen3", **config}
    (directory / "config.json").write_text(json.dumps(sizes))
    return directory


def make_spec(**changes: Any) -> JobSpec:
    """A small job on the built-in task; keyword arguments replace whole sections."""
    body: dict[str, Any] = {
        "name": "trial",
        "student": {"model": "student"},
        "task": {"name": "materials", "options": {"train_questions": 40, "test_questions": 4}},
        "teacher": {"provider": "tutor"},
        "rollout": {"max_attempts": 2, "max_answer_tokens": 24, "episode_timeout_seconds": 20},
        "training": {"steps": 2},
        "evaluation": {"questions": 4, "max_attempts": 3},
    }
    return JobSpec.model_validate(body | changes)


def make_manifest(episodes: int = 1, purpose: Purpose = "train", step: int = 1, policy_version: int = 0) -> Manifest:
    """Entries over the task's questions, one sample each."""
    split = "test" if purpose == "eval" else "train"
    names = [f"materials-{split}-{index}" for index in range(episodes)]
    entries = [
        ManifestEntry(
            episode_id=episode_id("job-1", purpose, step, name, 0), question_id=name, sample=0, seed=1000 + index
        )
        for index, name in enumerate(names)
    ]
    return Manifest(job_id="job-1", purpose=purpose, step=step, policy_version=policy_version, entries=entries)


def proved(urls: Sequence[str], versions: Sequence[int] = range(10)) -> ReadRotation:
    """A trainer that proves these versions of all replicas again and again."""

    async def read(job_id: str) -> Rotation:
        return {url: Standing(versions=list(versions), since=time.time()) for url in urls}

    return read


def unplayed(sample: int, step: int = 1) -> Episode:
    """An episode of job-1 without attempts: for tests that only carry episodes."""
    return Episode(
        episode_id=f"job-1/train/{step}/q/{sample}",
        job_id="job-1",
        purpose="train",
        step=step,
        question_id="q",
        sample=sample,
        prompt_token_ids=[2],
        attempts=[],
        guidances=[],
        started_at=1.0,
        finished_at=2.0,
    )
