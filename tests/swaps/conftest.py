"""Three engines, a trainer's publisher before them, and rollouts that never stop."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from contracts.events import Event
from contracts.policies import policy_directory
from contracts.rotation import Standing
from trainer.engine import Engine
from trainer.patrol import Patrol
from trainer.policy import Policy
from trainer.publisher import WeightPublisher
from trainer.rotation import Rotation
from trainer.store import Store, connect
from trainer.swapper import Swapper, SwapRules
from trainer.weight_routes import WeightRoute
from trainer.weight_routes.shared_directory import SharedDirectory
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from ..engine_contract.engines import free_port
from .engines import EngineProcess, Proxy
from .traffic import Exchange, Traffic

JOB = "job-1"
# Engine and trainer agree to 1e-5; one of these updates moves log-probabilities by tenths.
TOLERANCE = 1e-4
# A replica that hangs holds a phase up for so long; a healthy one on a loaded machine needs a fraction of it.
PHASE_SECONDS = 10.0
WAIT_SECONDS = 90.0
torch.set_num_threads(1)
logging.disable_progress_bar()


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    directory = tmp_path_factory.mktemp("student")
    Qwen3ForCausalLM(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def engines(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[EngineProcess]]:
    logs = tmp_path_factory.mktemp("engines")
    started = [EngineProcess(student, free_port(), logs / f"{number}.log") for number in range(3)]
    for engine in started:
        engine.start()
    yield started
    for engine in started:
        engine.kill()


@dataclass
class Fleet:
    """What a test plays with. `close` is called for it."""

    publisher: WeightPublisher
    policy: Policy
    store: Store
    data_root: Path
    told: list[Event] = field(default_factory=list)

    def publish(self, version: int) -> None:
        """Learn something, and publish it."""
        generator = torch.Generator().manual_seed(version)
        with torch.no_grad():
            for tensor in self.policy.weights().values():
                tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.05)
        self.publisher.publish(self.policy, version)

    def events(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def rotation(self) -> dict[str, Standing]:
        """As workers read it."""
        return self.store.rotation(JOB, [replica.url for replica in self.publisher.swapper.replicas])

    def serving(self) -> dict[str, int | None]:
        return {url: standing.current for url, standing in self.rotation().items()}

    def patrol_until(self, done: Callable[[], bool]) -> None:
        """As the trainer does while it waits."""
        patrol, deadline = Patrol(self.publisher.swapper), time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < deadline, (self.rotation(), self.told[-5:])
            patrol.look()
            time.sleep(0.05)

    def check(self, exchanges: Sequence[Exchange]) -> None:
        """Every token has the log-probability that the version of its span gives it after all tokens before."""
        models: dict[int, Any] = {}
        for exchange in exchanges:
            tokens, start = exchange.context + exchange.answer.token_ids, len(exchange.context)
            for span in exchange.answer.version_spans:
                if span.version not in models:
                    directory = policy_directory(self.data_root, JOB, span.version)
                    models[span.version] = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
                with torch.no_grad():
                    logits = models[span.version](torch.tensor([tokens])).logits[0, start - 1 : -1]
                expected = torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens[start:])[:, None]).squeeze(1)
                found = torch.tensor(exchange.answer.logprobs)
                gap = (found - expected)[span.start : span.end].abs().max()
                assert gap < TOLERANCE, f"{gap} nats from version {span.version}: {exchange.answer.version_spans}"


@pytest.fixture
def make_fleet(
    engines: list[EngineProcess], student: Path, tmp_path: Path, redis_url: str
) -> Iterator[Callable[..., Fleet]]:
    """make_fleet(urls, route=..., rules=...): all engines are up first, whatever the test before did to them."""
    opened: list[WeightPublisher] = []
    store = Store(connect(redis_url))

    def make(urls: Sequence[str], route: WeightRoute | None = None, rule: Any = "rotate_out", **rules: Any) -> Fleet:
        told: list[Event] = []
        settled = {"phase_seconds": PHASE_SECONDS, "deadline_seconds": WAIT_SECONDS, **rules}
        swapper = Swapper(
            [Engine(url) for url in urls],
            route or SharedDirectory(),
            Rotation(urls, partial(store.set_standing, JOB), store.rotation(JOB, urls)),
            told.append,
            lambda seconds: time.sleep(min(seconds, 0.1)),
            SwapRules(rule, **settled),
        )
        publisher = WeightPublisher(swapper, tmp_path, JOB, student)
        opened.append(publisher)
        return Fleet(publisher, Policy.load(student, 1.0), store, tmp_path, told)

    for engine in engines:
        if engine.process is None or engine.process.poll() is not None:
            engine.start()
        engine.wait_until_ready()
    yield make
    for publisher in opened:
        publisher.close()
        for replica in publisher.swapper.replicas:
            replica.engine.close()
    store.redis.close()


@pytest.fixture
def proxy(engines: list[EngineProcess]) -> Iterator[Proxy]:
    """Before the last engine."""
    opened = Proxy(engines[-1])
    yield opened
    opened.close()


@pytest.fixture
def traffic(redis_url: str) -> Iterator[Callable[[Sequence[str]], Traffic]]:
    """traffic(urls) starts rollouts."""
    running: list[Traffic] = []

    def start(urls: Sequence[str]) -> Traffic:
        running.append(Traffic(JOB, redis_url, urls))
        running[-1].start()
        return running[-1]

    yield start
    for one in running:
        one.stopping.set()
