"""SGLang's HTTP contract against a running server."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.datastructures import Headers
from student_inference.auth import BearerKeys

from .oracle import chosen, make_student, near, oracle_logprobs
from .server import STOP_SECONDS, Server, start_server

PROMPT = [5, 9, 13, 2, 40, 41, 42, 43, 44, 45]


@pytest.fixture(scope="module")
def server(student: Path, other_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    running = start_server(student, port, log, max_total_tokens="1024", admin_api_key="admin", max_running_requests="4")
    yield running
    # Uvicorn ends in order, then raises the signal again for whoever waits for the process.
    assert running.stop() == -signal.SIGTERM
    assert "Application shutdown complete" in log.read_text()


@pytest.fixture(autouse=True)
def first_weights(server: Server, student: Path) -> None:
    update(server, student, weight_version="default")


def update(server: Server, path: Path | str, **fields: Any) -> Any:
    return server.http.post(
        "/update_weights_from_disk",
        json={"model_path": str(path), **fields},
        headers={"Authorization": "Bearer admin"},
    )


def greedy(tokens: int = 6, **more: Any) -> dict[str, Any]:
    return {"max_new_tokens": tokens, "temperature": 0.0, "ignore_eos": True, **more}


def test_the_answer_has_sglangs_fields(server: Server, student: Path) -> None:
    answer = server.generate(
        input_ids=PROMPT, sampling_params=greedy(), return_logprob=True, logprob_start_len=0, rid="mine"
    )
    meta = answer["meta_info"]
    output = answer["output_ids"]
    assert answer["text"] == ""
    assert meta["id"] == "mine"
    assert meta["finish_reason"] == {"type": "length", "length": 6}
    assert (meta["prompt_tokens"], meta["completion_tokens"], meta["cached_tokens"]) == (10, 6, 0)
    assert (meta["num_retractions"], meta["output_token_logprobs_length"]) == (0, 6)
    assert meta["weight_version"] == "default"
    assert meta["weight_versions"] == [{"version": "default", "start": 0, "end": 6}]
    assert meta["e2e_latency"] > 0
    assert [triple[1:] for triple in meta["output_token_logprobs"]] == [[token, None] for token in output]
    assert meta["input_token_logprobs"][0] == [None, PROMPT[0], None]
    expected = oracle_logprobs(student, PROMPT + output)
    assert near([triple[0] for triple in meta["output_token_logprobs"]], chosen(expected, PROMPT, output))
    assert near([triple[0] for triple in meta["input_token_logprobs"][1:]], chosen(expected, PROMPT[:1], PROMPT[1:]))


def test_logprobs_appear_only_on_request(server: Server) -> None:
    assert "output_token_logprobs" not in server.generate(input_ids=PROMPT)["meta_info"]
    meta = server.generate(input_ids=PROMPT, return_logprob=True)["meta_info"]
    assert meta["input_token_logprobs"] == []


def test_batches_and_samples_answer_lists_in_order(server: Server) -> None:
    single = [server.generate(input_ids=[token, 3], sampling_params=greedy())["output_ids"] for token in (5, 6)]
    batch = server.generate(input_ids=[[5, 3], [6, 3]], sampling_params=greedy(), rid="b")
    assert [answer["output_ids"] for answer in batch] == single
    assert [answer["meta_info"]["id"] for answer in batch] == ["b_0", "b_1"]
    assert len(server.generate(input_ids=[[5, 3]], sampling_params=greedy())) == 1
    different = [greedy(2), greedy(3)]
    lengths = server.generate(input_ids=[[5, 3], [6, 3]], sampling_params=different, return_logprob=[True, False])
    assert [len(answer["output_ids"]) for answer in lengths] == [2, 3]
    assert ["output_token_logprobs" in answer["meta_info"] for answer in lengths] == [True, False]
    seeded = {"max_new_tokens": 8, "n": 3, "sampling_seed": 11, "ignore_eos": True}
    samples = [[a["output_ids"] for a in server.generate(input_ids=PROMPT, sampling_params=seeded)] for _ in range(2)]
    assert samples[0] == samples[1]
    assert len({tuple(output) for output in samples[0]}) == 3


BAD: list[tuple[str, str]] = [
    ("not JSON", "malformed"),
    ("{}", "input_ids"),
    ('{"input_ids": []}', "at least one token"),
    ('{"input_ids": [1, [2]]}', "mixture"),
    ('{"input_ids": [1], "text": "a"}', "only one"),
    ('{"text": "a"}', "tokenizer"),
    ('{"input_ids": [5, 61]}', "61 is outside the vocabulary"),
    ('{"input_ids": [5, -1]}', "-1 is outside the vocabulary"),
    ('{"input_ids": [5, "6"]}', "input_ids"),
    (json.dumps({"input_ids": [5] * 256}), "longer than the model's context length"),
    ('{"input_ids": [5], "sampling_params": {"max_new_tokens": 256}}', "Requested token count exceeds"),
    ('{"input_ids": [5], "sampling_params": {"temperature": NaN}}', "NaN"),
    ('{"input_ids": [5], "sampling_params": {"temperature": -1}}', "temperature"),
    ('{"input_ids": [5], "sampling_params": {"temperature": 1e999}}', "temperature"),
    ('{"input_ids": [5], "sampling_params": {"top_p": 0}}', "top_p"),
    ('{"input_ids": [5], "sampling_params": {"top_k": 0}}', "top_k"),
    ('{"input_ids": [5], "sampling_params": {"min_p": 2}}', "min_p"),
    ('{"input_ids": [5], "sampling_params": {"n": 0}}', "n:"),
    ('{"input_ids": [5], "sampling_params": {"max_new_tokens": -1}}', "max_new_tokens"),
    ('{"input_ids": [5], "sampling_params": {"min_new_tokens": 200}}', "min_new_tokens"),
    ('{"input_ids": [5], "sampling_params": {"stop_token_ids": [61]}}', "stop_token_ids"),
    ('{"input_ids": [5], "sampling_params": {"sampling_seed": 18446744073709551615}}', "sampling_seed"),
    ('{"input_ids": [5], "sampling_params": {"unheard": 1}}', "unheard"),
    ('{"input_ids": [5], "sampling_params": {"frequency_penalty": 2.5}}', "frequency_penalty"),
    ('{"input_ids": [5], "sampling_params": {"presence_penalty": -3}}', "presence_penalty"),
    ('{"input_ids": [5], "sampling_params": {"repetition_penalty": 0}}', "repetition_penalty"),
    ('{"input_ids": [5], "sampling_params": {"logit_bias": {"61": 1}}}', "logit_bias"),
    ('{"input_ids": [5], "sampling_params": {"logit_bias": {"-1": 1}}}', "logit_bias"),
    ('{"input_ids": [5], "sampling_params": {"stop_regex": "a+"}}', "sampling_params.stop_regex"),
    ('{"input_ids": [5], "sampling_params": {"regex": "a"}}', "sampling_params.regex"),
    ('{"input_ids": [5], "unheard": 1}', "unheard"),
    ('{"input_ids": [5], "lora_path": "x"}', "lora_path"),
    ('{"input_ids": [5], "top_logprobs_num": 62}', "top_logprobs_num"),
    ('{"input_ids": [5], "token_ids_logprob": [61]}', "token_ids_logprob"),
    ('{"input_ids": [[5], [6]], "token_ids_logprob": [[1]]}', "token_ids_logprob"),
    ('{"input_ids": [5], "return_logprob": true, "logprob_start_len": 2}', "logprob_start_len"),
    ('{"input_ids": [[5], [6]], "rid": ["a", "a"]}', "rid"),
    ('{"input_ids": [[5], [6]], "sampling_params": [{}]}', "sampling_params"),
]


@pytest.mark.parametrize(("body", "message"), BAD)
def test_bad_input_is_refused_and_the_engine_keeps_serving(server: Server, body: str, message: str) -> None:
    answer = server.http.post("/generate", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert len(server.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"]) == 6


def test_the_largest_numbers_of_json_do_no_harm(server: Server) -> None:
    sampling = {"top_k": 2**64 - 1, "sampling_seed": -(2**63), "max_new_tokens": None}
    assert server.generate(input_ids=PROMPT, sampling_params=sampling)["output_ids"]


def test_new_weights_are_served_and_named(server: Server, student: Path, other_student: Path) -> None:
    old = server.generate(input_ids=PROMPT, sampling_params=greedy())
    answer = update(server, other_student, weight_version="7")
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert server.http.get("/model_info").json()["weight_version"] == "7"
    assert server.http.get("/get_model_info").json()["model_path"] == str(other_student)
    new = server.generate(input_ids=PROMPT, sampling_params=greedy(), return_logprob=True)
    assert new["meta_info"]["weight_versions"] == [{"version": "7", "start": 0, "end": 6}]
    expected = oracle_logprobs(other_student, PROMPT + new["output_ids"])
    got = [triple[0] for triple in new["meta_info"]["output_token_logprobs"]]
    assert near(got, chosen(expected, PROMPT, new["output_ids"]))
    update(server, student, weight_version="8")
    assert server.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"] == old["output_ids"]


def test_a_refused_update_leaves_the_old_weights(server: Server, student: Path, tmp_path: Path) -> None:
    before = server.generate(input_ids=PROMPT, sampling_params=greedy())
    outside = make_student(tmp_path / "outside", "qwen3", seed=3)
    wrong = make_student(student.parent / "wrong", "qwen2", seed=3)
    beside, link = student.parent / os.path.relpath(outside, student.parent), student.parent / "link"
    link.symlink_to(outside)
    elsewhere = dict.fromkeys((outside, beside, link), "outside the allowed roots")
    refused = {**elsewhere, wrong: "differs from the served", student / "nowhere": "not a directory", "\0": "NUL"}
    broken = make_student(student.parent / "broken", "qwen3", seed=3, max_shard_size="20KB")
    sorted(broken.glob("*.safetensors"))[1].unlink()
    refused[broken] = "missing shard"
    for path, message in refused.items():
        answer = update(server, path, weight_version="9")
        assert (answer.status_code, answer.json()["success"]) == (400, False)
        assert message in answer.json()["message"]
    assert update(server, student, load_format="dummy").status_code == 400
    assert server.http.get("/model_info").json()["weight_version"] == "default"
    assert server.generate(input_ids=PROMPT, sampling_params=greedy())["output_ids"] == before["output_ids"]


async def test_an_update_waits_for_requests_in_flight_and_none_fails(server: Server, other_student: Path) -> None:
    async with aiohttp.ClientSession(server.http.base_url.raw_path and str(server.http.base_url)) as session:

        async def generate(token: int) -> Any:
            body = {"input_ids": [token, 3], "sampling_params": greedy(200)}
            async with session.post("/generate", json=body) as answer:
                assert answer.status == 200
                return (await answer.json())["meta_info"]

        early = [asyncio.create_task(generate(token)) for token in range(2, 14)]
        while "num_running_reqs 4.0" not in await (await session.get("/metrics")).text():
            assert not all(task.done() for task in early)
        swapped = asyncio.create_task(asyncio.to_thread(update, server, other_student, weight_version="7"))
        late = [asyncio.create_task(generate(token)) for token in range(2, 14)]
        assert (await swapped).status_code == 200
        spans = [(await task)["weight_versions"] for task in [*early, *late]]
    assert all(len(span) == 1 and span[0]["end"] == 200 for span in spans)
    assert [span[0]["version"] for span in spans[:4]] == ["default"] * 4
    assert (await asyncio.to_thread(server.http.get, "/model_info")).json()["weight_version"] == "7"


def test_a_client_that_goes_away_frees_the_engine(server: Server) -> None:
    host, port = "127.0.0.1", server.http.base_url.port
    body = json.dumps({"input_ids": [2, 3], "sampling_params": greedy(250)})
    with socket.create_connection((host, port or 0)) as connection:
        connection.sendall(f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        wait_for(server, "sglang:num_running_reqs 1.0")
    wait_for(server, "sglang:num_running_reqs 0.0")
    assert "sglang:num_aborted_requests_total 0.0" not in server.http.get("/metrics").text


def wait_for(server: Server, line: str) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while line not in server.http.get("/metrics").text:
        assert time.monotonic() < deadline, line


def test_abort_request_answers_with_the_tokens_so_far(server: Server) -> None:
    answers: list[Any] = []
    request = {"input_ids": [2, 3], "sampling_params": greedy(250), "rid": "long"}
    thread = threading.Thread(target=lambda: answers.append(server.generate(**request)))
    thread.start()
    wait_for(server, "sglang:num_running_reqs 1.0")
    headers = {"Authorization": "Bearer admin"}
    assert server.http.post("/abort_request", json={"rid": "long"}, headers=headers).status_code == 200
    assert server.http.post("/abort_request", json={"rid": "unknown"}, headers=headers).status_code == 200
    thread.join(STOP_SECONDS)
    assert answers[0]["meta_info"]["finish_reason"]["type"] == "abort"
    assert len(answers[0]["output_ids"]) == answers[0]["meta_info"]["completion_tokens"] < 250


def test_control_routes_need_the_admin_key(server: Server) -> None:
    for path in ("/update_weights_from_disk", "/flush_cache", "/abort_request", "/pause_generation"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = server.http.post(path, json={"model_path": "x"}, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_neither_key_opens_what_the_other_does() -> None:
    """As SGLang decides it (its `decide_request_auth`): with both keys set, no route takes two of them."""
    keys = BearerKeys(lambda *_: None, "normal", "admin")  # type: ignore[arg-type, return-value]

    def opens(path: str, key: str) -> bool:
        return keys.admits(path, Headers({"Authorization": f"Bearer {key}"}))

    for path in ("/generate", "/v1/chat/completions", "/model_info", "/server_info"):
        assert (opens(path, "normal"), opens(path, "admin"), opens(path, "")) == (True, False, False), path
    for path in ("/update_weights_from_disk", "/pause_generation", "/upload_weights", "/update_weights_from_upload"):
        assert (opens(path, "normal"), opens(path, "admin"), opens(path, "")) == (False, True, False), path
    assert opens("/health", "")
    assert opens("/metrics", "")


def test_pause_holds_requests_until_continue(server: Server) -> None:
    headers = {"Authorization": "Bearer admin"}
    assert server.http.post("/pause_generation", content="", headers=headers).status_code == 400
    answer = server.http.post("/pause_generation", json={"mode": "retract"}, headers=headers)
    assert answer.json() == {"message": "Generation paused successfully.", "status": "ok"}
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(server.generate(input_ids=PROMPT)))
    thread.start()
    wait_for(server, "sglang:num_queue_reqs 1.0")
    assert not answers
    server.http.post("/continue_generation", json={}, headers=headers).raise_for_status()
    thread.join(STOP_SECONDS)
    assert answers


def test_information_routes_answer_and_show_no_keys(server: Server) -> None:
    for path in ("/health", "/health_generate", "/ready"):
        assert server.http.get(path).status_code == 200
    info = server.http.get("/server_info")
    assert info.json()["max_total_num_tokens"] == 1024
    assert "admin_api_key" not in info.text
    assert server.http.get("/model_info").json()["architectures"] == ["Qwen3ForCausalLM"]
    metrics = server.http.get("/metrics").text
    for name in ("gen_throughput", "token_usage", "cache_hit_rate", "prompt_tokens_total", "generation_tokens_total"):
        assert f"sglang:{name} " in metrics
    assert "sglang:e2e_request_latency_seconds_bucket" in metrics
