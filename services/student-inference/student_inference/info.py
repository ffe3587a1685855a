"""What /model_info and /server_info tell."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from student_inference.async_engine import AsyncEngine
from student_inference.settings import InferenceSettings

HIDDEN_SETTINGS = {"api_key", "admin_api_key"}


@dataclass(frozen=True)
class ServerInfo:
    """Fixed facts of the process; the engine is asked for the rest."""

    settings: InferenceSettings
    model_type: str
    has_tokenizer: bool
    startup_seconds: float
    instance_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Another one after every start, so that a restart is seen even when the weights have the same name."""

    def model_info(self, engine: AsyncEngine) -> dict[str, Any]:
        """SGLang's keys. `weight_version` is read from the engine's thread state, not from the last request."""
        config = engine.engine.model.config
        return {
            "model_path": engine.model_path,
            "served_model_name": engine.model_path,
            "tokenizer_path": str(self.settings.model_path) if self.has_tokenizer else None,
            "is_generation": True,
            "preferred_sampling_params": None,
            "weight_version": engine.engine.version,
            "instance_id": self.instance_id,
            "load_format": "safetensors",
            "model_type": self.model_type,
            "architectures": [config.architecture],
            "has_image_understanding": False,
            "has_audio_understanding": False,
        }

    def server_info(self, engine: AsyncEngine) -> dict[str, Any]:
        """Settings without keys, and the bound of the cache."""
        cache, scheduler = engine.engine.cache, engine.engine.scheduler
        return {
            **self.settings.model_dump(mode="json", exclude=HIDDEN_SETTINGS),
            "engine": "socratic-cpu",
            "startup_time": self.startup_seconds,
            "weight_version": engine.engine.version,
            "max_total_num_tokens": cache.num_blocks * cache.block_size,
            "kv_cache_bytes": cache.pages.nbytes,
            "internal_states": [
                {
                    "num_running_reqs": len(scheduler.running),
                    "num_queue_reqs": len(scheduler.waiting),
                    "paused": engine.engine.paused,
                    "last_gen_throughput": engine.engine.counters.throughput,
                }
            ],
        }
