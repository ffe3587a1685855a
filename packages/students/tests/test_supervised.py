"""The supervised loop against closed forms."""

import math

import pytest
import torch
from students.architecture import Size, new_student
from students.examples import Example, collate
from students.supervised import Schedule, answer_loss, train
from students.wordlevel import word_tokenizer
from torch.nn import functional
from transformers import Qwen3ForCausalLM

SIZE = Size(hidden=16, layers=1, heads=2, kv_heads=1, feed_forward=32, context=64)
TOKENIZER = word_tokenizer(["one", "two", "three"], SIZE.context)


def student(spread: float = 0.1) -> Qwen3ForCausalLM:
    return new_student(SIZE, TOKENIZER, seed=0, spread=spread)


def test_the_loss_of_a_flat_model_is_the_log_of_the_vocabulary() -> None:
    flat = student(spread=1e-12)
    torch.nn.init.zeros_(flat.lm_head.weight)
    batch = collate([Example([2, 5, 3, 6, 4], [0, 0, 0, 1, 1])], pad_id=0)
    assert answer_loss(flat, batch).item() == pytest.approx(math.log(len(TOKENIZER)), rel=1e-5)


def test_only_learned_tokens_count_and_padding_changes_nothing() -> None:
    model = student()
    short, long = Example([2, 5, 3, 6, 4], [0, 0, 0, 1, 1]), Example([2, 5, 5, 5, 3, 7, 7, 7, 4], [0] * 9)
    alone = answer_loss(model, collate([short], pad_id=0))
    padded = answer_loss(model, collate([short, long], pad_id=0))
    logits = model(input_ids=torch.tensor([short.ids[:-1]])).logits[0]
    oracle = functional.cross_entropy(logits[2:], torch.tensor([6, 4]))
    assert alone.item() == pytest.approx(oracle.item(), rel=1e-5)
    assert padded.item() == pytest.approx(oracle.item(), rel=1e-5)


def test_the_schedule_warms_up_and_comes_down_to_a_tenth() -> None:
    schedule = Schedule(steps=100, learning_rate=1.0, warmup=10)
    assert schedule.rate(0) == pytest.approx(0.1)
    assert schedule.rate(9) == schedule.rate(10) == pytest.approx(1.0)
    assert schedule.rate(55) == pytest.approx(0.55)
    assert schedule.rate(100) == pytest.approx(0.1)


def test_training_learns_a_fixed_answer() -> None:
    model, losses = student(), []
    batch = collate([Example([2, 5, 3, 6, 4], [0, 0, 0, 1, 1])], pad_id=0)
    train(model, iter(lambda: batch, None), Schedule(40, 1e-2, warmup=5), lambda step, loss: losses.append(loss))
    assert len(losses) == 40
    assert losses[-1] < 0.1 < losses[0]


def test_an_architecture_is_fixed_by_its_seed() -> None:
    one, same = student(), student()
    other = new_student(SIZE, TOKENIZER, seed=1, spread=0.1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
