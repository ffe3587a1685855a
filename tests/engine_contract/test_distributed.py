"""Weights broadcast over a gloo group in which this process is the trainer, rank 0."""

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore

from .engines import ANSWER_SECONDS, Engine, free_port
from .test_generate import PROMPT, TOLERANCE, expected_logprobs, greedy, sampled, values

GROUP = "contract"
PATIENCE = timedelta(seconds=ANSWER_SECONDS)


@dataclass
class Trainer:
    """Rank 0 of a group whose only other member is the engine."""

    engine: Engine
    group: Any

    def send(self, tensors: dict[str, Tensor], version: str) -> Any:
        """One update of all `tensors` under way; returns the engine's answer to it."""
        body = {
            "names": list(tensors),
            "dtypes": [str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()],
            "shapes": [list(tensor.shape) for tensor in tensors.values()],
            "group_name": GROUP,
            "weight_version": version,
        }
        answers: list[Any] = []
        path = "/update_weights_from_distributed"
        asking = threading.Thread(target=lambda: answers.append(self.engine.post(path, **body)))
        asking.start()
        for tensor in tensors.values():
            self.group.broadcast(tensor, 0).wait(PATIENCE)
        asking.join(ANSWER_SECONDS)
        return answers[0]


@pytest.fixture
def trainer(engine: Engine) -> Iterator[Trainer]:
    port = free_port()
    place = {"master_address": "127.0.0.1", "master_port": port, "rank_offset": 1, "world_size": 2}
    answers: list[Any] = []
    joining = threading.Thread(
        target=lambda: answers.append(
            engine.post("/init_weights_update_group", **place, group_name=GROUP, backend="gloo")
        )
    )
    joining.start()
    store = TCPStore("127.0.0.1", port, 2, is_master=True, timeout=PATIENCE, wait_for_workers=False)
    # The nesting of torch's own helper, by which SGLang joins.
    named = PrefixStore("cpu/", PrefixStore(f"{GROUP}/", PrefixStore(GROUP, store)))
    group = ProcessGroupGloo(named, 0, 2, PATIENCE)
    joining.join(ANSWER_SECONDS)
    assert answers[0].json()["success"] is True, answers[0].text
    yield Trainer(engine, group)
    assert engine.post("/destroy_weights_update_group", group_name=GROUP).json()["success"] is True


def test_broadcast_weights_are_served_named_and_exact(engine: Engine, trainer: Trainer, other_model: Path) -> None:
    context = [*range(30, 90)]
    engine.generate(input_ids=context, sampling_params=greedy())
    assert engine.post("/begin_weight_update").status_code == 200
    answer = trainer.send(load_file(other_model / "model.safetensors"), "8")
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    assert engine.post("/end_weight_update").status_code == 200
    assert engine.version == "8"
    new = engine.generate(input_ids=context, sampling_params=sampled(), return_logprob=True)
    assert new["meta_info"]["cached_tokens"] == 0
    assert new["meta_info"]["weight_versions"] == [{"version": "8", "start": 0, "end": 12}]
    expected = expected_logprobs(other_model, context + new["output_ids"], len(context))
    assert (values(new["meta_info"]["output_token_logprobs"]) - expected).abs().max() < TOLERANCE


def test_tensors_outside_an_update_are_refused(engine: Engine, trainer: Trainer) -> None:
    before = engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]
    body = {"names": [], "dtypes": [], "shapes": [], "group_name": GROUP}
    assert engine.post("/update_weights_from_distributed", **body).status_code == 400
    assert engine.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"] == before


@pytest.fixture
def careful(engine: Engine) -> Engine:
    """The CPU engine, which collects an update before it serves any of it."""
    if engine.http.get("/server_info").json().get("engine") != "socratic-cpu":
        pytest.skip("SGLang serves each tensor as it arrives, and checks none")
    return engine


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), "1 tensors are missing, first 'model.norm.weight'"),
        (lambda tensors: tensors["model.norm.weight"].fill_(float("nan")), "NaN"),
    ],
)
def test_an_update_that_is_not_whole_and_finite_leaves_the_old_weights(
    careful: Engine, trainer: Trainer, other_model: Path, spoil: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    before = careful.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]
    tensors = load_file(other_model / "model.safetensors")
    spoil(tensors)
    assert careful.post("/begin_weight_update").status_code == 200
    answers = [trainer.send(tensors, "8"), careful.post("/end_weight_update")]
    refused = [answer.json() for answer in answers if answer.status_code == 400]
    assert message in refused[0]["message"]
    assert (answers[-1].status_code, refused[0]["success"], careful.version) == (400, False, "default")
    assert careful.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"] == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": [[3]]}, "shape [3], expected"),
        ({"shapes": [[-3]]}, "at least 0"),
        ({"shapes": []}, "same length"),
        ({"dtypes": ["int4"]}, "int4"),
        ({"names": ["model.extra"]}, "unknown tensor 'model.extra'"),
        ({"group_name": "another"}, "there is no group"),
        ({"load_format": "flattened_bucket"}, "load_format"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_before_any_travels(
    careful: Engine, trainer: Trainer, change: dict[str, Any], message: str
) -> None:
    hidden = len(load_file(careful.model / "model.safetensors")["model.norm.weight"])
    body = {"names": ["model.norm.weight"], "dtypes": ["float32"], "shapes": [[hidden]], "group_name": GROUP}
    assert careful.post("/begin_weight_update").status_code == 200
    refused = careful.post("/update_weights_from_distributed", **(body | change))
    assert refused.status_code == 400
    assert message in refused.text
    assert careful.version == "default"


def test_tensors_in_a_request_come_as_safetensors_and_are_exact(careful: Engine, other_model: Path) -> None:
    file = base64.b64encode((other_model / "model.safetensors").read_bytes()).decode()
    body = {"serialized_named_tensors": [file], "load_format": "safetensors", "weight_version": "9"}
    careful.post("/end_weight_update")
    outside = careful.post("/update_weights_from_tensor", **body)
    assert (outside.status_code, "begin_weight_update" in outside.text) == (400, True)
    careful.post("/begin_weight_update")
    assert careful.post("/update_weights_from_tensor", **body).status_code == 200
    assert careful.version == "default"
    assert careful.post("/end_weight_update").status_code == 200
    new = careful.generate(input_ids=PROMPT, sampling_params=sampled(), return_logprob=True)
    assert new["meta_info"]["weight_version"] == "9"
    expected = expected_logprobs(other_model, PROMPT + new["output_ids"], len(PROMPT))
    assert (values(new["meta_info"]["output_token_logprobs"]) - expected).abs().max() < TOLERANCE


def test_an_update_that_another_overtook_is_refused(careful: Engine, other_model: Path) -> None:
    """There is memory for one set of weights beside the served one."""
    file = base64.b64encode((careful.model / "model.safetensors").read_bytes()).decode()
    body = {"serialized_named_tensors": [file], "load_format": "safetensors", "weight_version": "late"}
    careful.post("/begin_weight_update")
    assert careful.post("/update_weights_from_tensor", **body).status_code == 200
    careful.update(other_model, "disk")
    refused = careful.post("/end_weight_update")
    assert (refused.status_code, careful.version) == (400, "disk")
    assert "send the weights again" in refused.json()["message"]
    new = careful.generate(input_ids=PROMPT, sampling_params=sampled(), return_logprob=True)
    expected = expected_logprobs(other_model, PROMPT + new["output_ids"], len(PROMPT))
    assert (values(new["meta_info"]["output_token_logprobs"]) - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize(("file", "message"), [("!", "base64"), ("AAAA", "no whole safetensors file")])
def test_tensors_that_cannot_be_read_are_refused(careful: Engine, file: str, message: str) -> None:
    careful.post("/begin_weight_update")
    body = {"serialized_named_tensors": [file], "load_format": "safetensors"}
    refused = careful.post("/update_weights_from_tensor", **body)
    assert (refused.status_code, careful.version) == (400, "default")
    assert message in refused.text


@pytest.mark.parametrize("load_format", [{}, {"load_format": "flattened_bucket"}])
def test_pickled_tensors_are_never_read(careful: Engine, load_format: dict[str, str]) -> None:
    answer = careful.post(
        "/update_weights_from_tensor", serialized_named_tensors=["gASVBQAAAAAAAACMAWGULg=="], **load_format
    )
    assert (answer.status_code, answer.json()["success"]) == (501, False)


def test_a_version_can_be_renamed_without_new_weights(engine: Engine) -> None:
    answer = engine.post("/update_weight_version", new_version="renamed", abort_all_requests=False)
    assert (answer.status_code, answer.json()["success"], engine.version) == (200, True, "renamed")
    meta = engine.generate(input_ids=PROMPT, sampling_params=greedy())["meta_info"]
    assert meta["weight_version"] == "renamed"
