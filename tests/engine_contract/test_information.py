"""What an engine tells about itself."""

from .engines import Engine
from .test_generate import greedy


def test_model_info_names_the_model_and_its_version(engine: Engine) -> None:
    for path in ("/model_info", "/get_model_info"):
        info = engine.http.get(path).raise_for_status().json()
        assert info["model_path"] == str(engine.model)
        assert (info["weight_version"], info["is_generation"], info["model_type"]) == ("default", True, "qwen3")
        assert info["architectures"] == ["Qwen3ForCausalLM"]


def test_server_info_gives_the_bound_of_the_cache(engine: Engine) -> None:
    for path in ("/server_info", "/get_server_info"):
        info = engine.http.get(path).raise_for_status().json()
        assert info["max_total_num_tokens"] == 16384
        assert isinstance(info["internal_states"], list)


def test_health_routes(engine: Engine) -> None:
    for path in ("/health", "/health_generate"):
        assert engine.http.get(path).status_code == 200


def test_metrics_have_sglangs_names(engine: Engine) -> None:
    for _ in range(2):
        engine.generate(input_ids=[*range(30, 90)], sampling_params=greedy())
    metrics = engine.http.get("/metrics").text
    for name in (
        "num_running_reqs",
        "num_queue_reqs",
        "num_used_tokens",
        "max_total_num_tokens",
        "token_usage",
        "gen_throughput",
        "cache_hit_rate",
        "prompt_tokens_total",
        "cached_tokens_total",
        "num_requests_total",
        "generation_tokens_total",
        "time_to_first_token_seconds_bucket",
        "e2e_request_latency_seconds_bucket",
    ):
        assert f"sglang:{name}" in metrics, name


def test_flush_cache_forgets_prefixes(engine: Engine) -> None:
    context = [*range(20, 80)]
    engine.generate(input_ids=context, sampling_params=greedy())
    assert engine.post("/flush_cache").status_code == 200
    assert engine.generate(input_ids=context, sampling_params=greedy())["meta_info"]["cached_tokens"] == 0
