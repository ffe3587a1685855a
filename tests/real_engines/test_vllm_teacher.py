"""Real vLLM as a local teacher (VLLM_PYTHON; tools/vllm/test.sh sets it): guidance, scores, and its launcher."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch
from contracts.jobs import JobSpec
from contracts.statuses import JobStatus
from socratic.client import Client
from socratic.runs import own_stack
from socratic.stack.state import read_state
from trainer.archive import read_batch
from transformers import AutoModelForCausalLM, Qwen3Config

from ..engine_contract.engines import free_port
from ..stacks import REPOSITORY, materials_stack
from .launching import Launched, launch, restarts_and_leaves_nothing

pytestmark = [
    pytest.mark.skipif("VLLM_PYTHON" not in os.environ, reason="needs real vLLM: make test-vllm"),
    pytest.mark.timeout(1800),
]
STUDENT = REPOSITORY / "models/materials-base"
NAME = "tiny-teacher"
TOKENS = [5, 9, 13, 20, 40, 41, 42, 43, 44, 45, 7, 10, 21]
# vLLM's own kernels add in another order than transformers'.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random teacher that shares the student's tokenizer, as the scoring door needs it."""
    directory = tmp_path_factory.mktemp("teacher") / NAME
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=104,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        eos_token_id=4,
    )
    AutoModelForCausalLM.from_config(config).float().save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(STUDENT / name, directory / name)
    return directory


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm") / "log"


@pytest.fixture(scope="module")
def vllm(model: Path, log: Path) -> Iterator[Launched]:
    port = free_port()
    settings = {
        "MODEL_PATH": str(model),
        "SERVED_MODEL_NAME": NAME,
        "PORT": str(port),
        "PYTHON": os.environ["VLLM_PYTHON"],
        "DEVICE": "cpu",
        "DTYPE": "float32",
        "CONTEXT_LENGTH": "2048",
        "HEALTH_EVERY_SECONDS": "1",
        # Compiling for this tiny model would take longer than all its answers.
        "EXTRA": json.dumps(["--enforce-eager"]),
    }
    environment = {f"VLLM_LAUNCHER_{name}": value for name, value in settings.items()}
    with launch("student_inference.teacher_launcher", port, environment | {"VLLM_CPU_KVCACHE_SPACE": "1"}, log) as it:
        yield it


def spec(teacher: dict[str, object]) -> JobSpec:
    return JobSpec.model_validate(
        {
            "name": "vllm",
            "student": {"model": "models/materials-base"},
            "task": {"name": "materials", "options": {"train_questions": 200, "test_questions": 40}},
            "teacher": teacher,
            "rollout": {"max_attempts": 2, "prompts_per_step": 4, "group_size": 4, "max_answer_tokens": 32},
            "training": {"steps": 2, "learning_rate": 4e-4, "warmup_steps": 1},
            "evaluation": {"every": 2, "questions": 10},
        }
    )


def test_a_job_is_guided_and_tokens_are_scored_through_the_gateway(vllm: Launched, model: Path, tmp_path: Path) -> None:
    teacher: dict[str, object] = {
        "provider": "openai_compatible",
        "base_url": f"{vllm.url}/v1",
        "model": NAME,
        "max_guidance_tokens": 24,
        "temperature": 1.0,
    }
    request = materials_stack(tmp_path / "home")
    with own_stack(request, dict(os.environ), lambda _: None) as stack, Client(stack.orchestrator_url) as client:
        job = client.submit(spec(teacher))
        for _ in client.stream(job.id):
            pass
        ended = client.get(job.id)
        assert ended.status == JobStatus.SUCCEEDED, ended.error
        state = read_state(request.home)
        assert state
        gateway = next(process.url for process in state.processes if process.name == "teacher-gateway")
        asked = {"teacher": teacher, "engine": "vllm", "token_ids": TOKENS, "start": 5}
        scored = httpx2.post(f"{gateway}/v1/score", json=asked, timeout=60, trust_env=False)
    episodes = [episode for step in (1, 2) for episode in read_batch(request.data_root, job.id, step)]
    guidances = [guidance for episode in episodes for guidance in episode.guidances]
    assert guidances
    assert {(guidance.provider, guidance.model) for guidance in guidances} == {("openai_compatible", NAME)}
    assert all(guidance.text and 0 < guidance.completion_tokens <= 24 for guidance in guidances)
    assert len({guidance.text for guidance in guidances}) > 1
    assert scored.status_code == 200, scored.text
    difference = torch.tensor(scored.json()["logprobs"]) - logprobs_by_transformers(model)[4:]
    assert difference.abs().max() < TOLERANCE


def logprobs_by_transformers(model: Path) -> torch.Tensor:
    """log p of every token of TOKENS after the first."""
    oracle = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.inference_mode():
        logprobs = torch.log_softmax(oracle(torch.tensor([TOKENS])).logits[0], -1)[:-1]
    return logprobs.gather(1, torch.tensor(TOKENS[1:]).unsqueeze(1)).squeeze(1)


def test_a_killed_vllm_is_started_anew_and_none_outlives_its_launcher(vllm: Launched, log: Path) -> None:
    assert len(vllm.descendants()) >= 3
    restarts_and_leaves_nothing(vllm, log)
