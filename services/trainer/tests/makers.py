"""Tiny students, episodes and manifests that tests feed to the trainer."""

import random
from pathlib import Path

import msgspec
import torch
from contracts.episodes import Attempt, Episode, Failure, Guidance, VersionSpan
from contracts.jobs import JobSpec, RolloutSpec, StudentSpec, TaskSpec, TrainingSpec
from contracts.manifests import Manifest, ManifestEntry, episode_id
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

VOCAB = 61
JOB = "job-1"


def make_student(directory: Path, seed: int = 0) -> Path:
    """A random Qwen3 of a few thousand weights, saved as users save theirs."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    Qwen3ForCausalLM(config).save_pretrained(directory)
    make_tokenizer(directory)
    return directory


def make_tokenizer(directory: Path) -> None:
    """Words w2 to w60 beside the padding and the end of turn, and a template of the ChatML kind."""
    words = {"<pad>": 0, "<end>": 1, **{f"w{index}": index for index in range(2, VOCAB)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        chat_template="{% for message in messages %}w2 {{ message.content }} <end> {% endfor %}"
        "{% if add_generation_prompt %}w3{% endif %}",
    ).save_pretrained(directory)


CLOSING = [1, 3]  # how that template ends a user's turn and opens an answer


def spec_of(student: Path | str, **training: object) -> JobSpec:
    """A small job on this student."""
    options: dict[str, object] = {"steps": 4, "learning_rate": 1e-3, "warmup_steps": 2, "tokens_per_microbatch": 256}
    options["keep_last"] = 1000
    return JobSpec(
        name="test",
        student=StudentSpec(model=str(student)),
        task=TaskSpec(name="materials"),
        rollout=RolloutSpec(max_attempts=3, prompts_per_step=3, group_size=4),
        training=TrainingSpec.model_validate(options | training),
    )


def attempt(rng: random.Random, reward: float, version: int = 0, length: int | None = None) -> Attempt:
    """Random tokens; log-probabilities somewhere near those of a random student."""
    count = length or rng.randint(2, 9)
    return Attempt(
        token_ids=[rng.randrange(VOCAB) for _ in range(count)],
        logprobs=[-rng.uniform(2, 6) for _ in range(count)],
        version_spans=[VersionSpan(version=version, start=0, end=count)],
        text="",
        outcome="correct" if reward else "wrong",
        reward=reward,
        finish_reason="stop",
        latency_seconds=0.1,
    )


def guidance(rng: random.Random) -> Guidance:
    return Guidance(
        token_ids=[rng.randrange(VOCAB) for _ in range(rng.randint(2, 6))],
        text="",
        provider="retry",
        model="",
        prompt_tokens=0,
        completion_tokens=0,
        price_usd=0.25,
        latency_seconds=0.1,
    )


def episode(
    rng: random.Random,
    rewards: list[float],
    *,
    question: str = "q0",
    sample: int = 0,
    step: int = 1,
    job: str = JOB,
    failure: Failure | None = None,
) -> Episode:
    """One attempt per reward."""
    return Episode(
        episode_id=episode_id(job, "train", step, question, sample),
        job_id=job,
        purpose="train",
        step=step,
        question_id=question,
        sample=sample,
        prompt_token_ids=[rng.randrange(VOCAB) for _ in range(rng.randint(1, 10))] + CLOSING,
        attempts=[attempt(rng, reward, version=step - 1) for reward in rewards],
        guidances=[guidance(rng) for _ in rewards[1:]],
        failure=failure,
        started_at=1000.0 + step,
        finished_at=1001.0 + step,
    )


def answer(rng: random.Random, reward: float, sample: int, length: int, step: int = 1) -> Episode:
    """A single attempt of so many tokens."""
    said = attempt(rng, reward, version=step - 1, length=length)
    return msgspec.structs.replace(episode(rng, [0.0], sample=sample, step=step), attempts=[said])


def episodes_of_step(step: int, seed: int = 0, questions: int = 3, group: int = 4, job: str = JOB) -> list[Episode]:
    """A batch with successes at every attempt."""
    rng = random.Random(f"{seed}/{step}")
    shapes = [[1.0], [0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    return [
        episode(rng, rng.choice(shapes), question=f"q{question}", sample=sample, step=step, job=job)
        for question in range(questions)
        for sample in range(group)
    ]


def single_attempts(step: int, seed: int = 0, questions: int = 3, group: int = 4) -> list[Episode]:
    """A batch of first attempts, in which every question has right and wrong answers."""
    rng = random.Random(f"{seed}/{step}")
    return [
        episode(rng, [float(sample % 2)], question=f"q{question}", sample=sample, step=step)
        for question in range(questions)
        for sample in range(group)
    ]


def manifest_of(episodes: list[Episode]) -> Manifest:
    """The manifest whose entries are these episodes, in this order."""
    first = episodes[0]
    entries = [
        ManifestEntry(episode_id=item.episode_id, question_id=item.question_id, sample=item.sample, seed=0)
        for item in episodes
    ]
    return Manifest(
        job_id=first.job_id, purpose="train", step=first.step, policy_version=first.step - 1, entries=entries
    )
