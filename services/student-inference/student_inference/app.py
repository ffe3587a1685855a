"""Wiring: settings to a running engine behind SGLang's routes."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import prod

import structlog
import torch
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from student_inference.async_engine import AsyncEngine
from student_inference.auth import BearerKeys
from student_inference.cache import BlockCache
from student_inference.chat import ChatTemplate
from student_inference.config import ModelConfig, ModelError, read_config, read_eos_ids, read_json
from student_inference.control_routes import control_router
from student_inference.engine import Engine
from student_inference.info import ServerInfo
from student_inference.intake import Limits
from student_inference.loading import load_weights
from student_inference.metrics import EngineCollector, Latencies
from student_inference.model import Model, packed_bytes
from student_inference.openai_routes import openai_router
from student_inference.request import SamplingParams
from student_inference.routes import add_error_handlers, generation_router, information_router
from student_inference.scheduler import Scheduler
from student_inference.settings import InferenceSettings
from student_inference.text import TextCodec
from student_inference.transfer_routes import transfer_router
from student_inference.upload_routes import upload_router
from student_inference.weight_routes import weight_router
from student_inference.weights import tensor_shapes

PROBE = SamplingParams(max_new_tokens=1, temperature=0.0, top_p=1.0, top_k=0, min_p=0.0, seed=0)


def create_app(settings: InferenceSettings) -> FastAPI:
    """Load the model and build the service. Raises ModelError when the model or the memory bound does not fit."""
    started = time.perf_counter()
    torch.set_num_threads(settings.threads)
    directory, dtype = settings.model_path, getattr(torch, settings.dtype)
    config = read_config(directory)
    context_length, blocks = context_of(settings, config), blocks_of(settings, config)
    model = Model(config, load_weights(directory, config, dtype), context_length)
    cache = BlockCache(config, blocks, settings.block_size, dtype, settings.threads)
    text = TextCodec(directory)
    eos_ids = read_eos_ids(directory) | text.eos_ids
    limits = Limits(config.vocab_size, context_length, cache.num_blocks * cache.block_size, eos_ids)

    front = AsyncEngine(settings.roots(), dtype, context_length)
    scheduler = Scheduler(cache, settings.max_running_requests, settings.max_prefill_tokens)
    engine = Engine(model, cache, scheduler, settings.weight_version, front.deliver, text.decode_all)
    registry = CollectorRegistry()
    registry.register(EngineCollector(engine))
    model_type = str(read_json(directory / "config.json").get("model_type", ""))
    info = ServerInfo(settings, model_type, text.available, time.perf_counter() - started)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        front.start(engine, directory)
        structlog.get_logger().info("serving", model_path=str(directory), kv_cache_bytes=cache.pages.nbytes)
        yield
        await front.stop()

    app = FastAPI(title="SocraticPO student inference (SGLang's API)", version="1", lifespan=lifespan)
    app.include_router(generation_router(front, limits, text, Latencies(registry)))
    app.include_router(openai_router(front, limits, text, ChatTemplate(directory)))
    app.include_router(information_router(front, info, registry, PROBE))
    app.include_router(control_router(front))
    app.include_router(weight_router(front))
    app.include_router(transfer_router(front))
    app.include_router(upload_router(front, config))
    add_error_handlers(app)
    app.add_middleware(BearerKeys, api_key=settings.api_key, admin_api_key=settings.admin_api_key)
    return app


def context_of(settings: InferenceSettings, config: ModelConfig) -> int:
    """The served context. Raises ModelError when more is asked for than the model was made for."""
    if settings.context_length > config.context_length:
        raise ModelError(
            f"context_length: {settings.context_length} is more than the model's "
            f"max_position_embeddings {config.context_length}"
        )
    return settings.context_length or config.context_length


def blocks_of(settings: InferenceSettings, config: ModelConfig) -> int:
    """Cache blocks for max_total_tokens. Raises ModelError when they and the weights exceed the machine's memory."""
    blocks = settings.max_total_tokens // settings.block_size
    value_bytes = getattr(torch, settings.dtype).itemsize
    # One set is served while the next is read; of the served one, what is packed lies there twice.
    sets = 2 * value_bytes * sum(prod(shape) for _, shape in tensor_shapes(config))
    weights = sets + packed_bytes(config, getattr(torch, settings.dtype))
    # Keys and values.
    position_bytes = 2 * config.num_layers * config.num_kv_heads * config.head_dim * value_bytes
    needed = blocks * settings.block_size * position_bytes
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if weights + needed > memory:
        raise ModelError(
            f"max_total_tokens: {settings.max_total_tokens} positions need {needed / 2**30:.1f} GiB beside "
            f"{weights / 2**30:.1f} GiB for two sets of weights and packed copies, the machine has "
            f"{memory / 2**30:.1f} GiB; choose at most {max(memory - weights, 0) // position_bytes}"
        )
    return blocks
