"""Streamed answers beyond what SGLang streams."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Server, start_server
from .test_prepared_weights import free_port


@pytest.fixture
def server(student: Path, tmp_path: Path) -> Iterator[Server]:
    running = start_server(student, free_port(), tmp_path / "log")
    yield running
    running.stop()


def test_samples_keep_their_prompts_wishes(server: Server) -> None:
    """SGLang takes no list of wishes beside several samples."""
    sampling = {"max_new_tokens": 4, "ignore_eos": True, "n": 2}
    body = {"input_ids": [[5, 9, 13], [7, 30]], "sampling_params": sampling, "return_logprob": [False, True]}
    text = server.http.post("/generate", json={**body, "stream": True}).text
    events = [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line and "[DONE]" not in line]
    scored = {event["index"] for event in events if event["meta_info"].get("output_token_logprobs")}
    assert ({event["index"] for event in events}, scored) == ({0, 1, 2, 3}, {2, 3})
