"""The body of POST /generate: SGLang 0.5's fields, checked before anything reaches the engine.

Fields that SGLang has and this engine does not implement are refused when they would change the answer; unknown fields
are refused everywhere (SGLang ignores them at the top level).
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class BadRequest(ValueError):
    """A request that cannot be served; answered with 400 in SGLang's error shape."""


class SamplingBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`sampling_params`; null means the default."""

    max_new_tokens: int | UnsetType | None = UNSET
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    min_new_tokens: int | None = None
    n: int | None = None
    sampling_seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    no_stop_trim: bool = False
    skip_special_tokens: bool = True
    stream_interval: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    spaces_between_special_tokens: bool = True
    beam_width: int | None = None
    stop_regex: Any = None
    json_schema: Any = None
    regex: Any = None
    ebnf: Any = None
    structural_tag: Any = None
    custom_params: Any = None
    watermark: Any = None


class GenerateBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The top level. Lists have one element per prompt."""

    input_ids: list[int | list[int]] | None = None
    text: str | list[str] | None = None
    sampling_params: SamplingBody | list[SamplingBody] | None = None
    rid: str | list[str] | None = None
    return_logprob: bool | list[bool] = False
    logprob_start_len: int | list[int] = -1
    return_text_in_logprobs: bool = False
    return_prompt_token_ids: bool = False
    top_logprobs_num: int | list[int] | None = None
    token_ids_logprob: list[int | list[int]] | None = None
    extra_key: str | None = None
    cache_salt: str | None = None

    log_metrics: bool = True
    priority: int | None = None
    routing_key: str | None = None
    routed_dp_rank: int | None = None
    custom_labels: Any = None

    stream: bool = False
    input_embeds: Any = None
    image_data: Any = None
    audio_data: Any = None
    video_data: Any = None
    lora_path: Any = None
    session_id: Any = None
    session_params: Any = None
    custom_logit_processor: Any = None
    return_hidden_states: Any = False
    return_routed_experts: Any = False
    return_entropy: Any = False
    return_sampling_mask: Any = False
    sampling_logprobs_mode: Any = None


NEUTRAL_SAMPLING: dict[str, tuple[Any, ...]] = {
    "beam_width": (None, 1),
    **dict.fromkeys(("stop_regex", "json_schema", "regex", "ebnf", "structural_tag"), (None,)),
    **dict.fromkeys(("custom_params", "watermark"), (None, {})),
}
NEUTRAL_TOP: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("input_embeds", "image_data", "audio_data", "video_data"), (None,)),
    **dict.fromkeys(("lora_path", "session_id", "session_params", "custom_logit_processor"), (None,)),
    **dict.fromkeys(("return_hidden_states", "return_routed_experts", "return_entropy"), (None, False)),
    "return_sampling_mask": (None, False),
    "sampling_logprobs_mode": (None,),
}
_decoder = msgspec.json.Decoder(GenerateBody)


def parse_body(raw: bytes) -> GenerateBody:
    """Decode and check types. Raises BadRequest naming the field."""
    try:
        body = _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise BadRequest(
            f"{error} (JSON has no NaN or Infinity)" if "malformed" in str(error) else str(error)
        ) from error
    refuse(body, NEUTRAL_TOP, "")
    return body


def refuse(body: msgspec.Struct, neutral: dict[str, tuple[Any, ...]], prefix: str) -> None:
    """Raise BadRequest for a field whose value asks for something that this engine does not do."""
    for name, values in neutral.items():
        if getattr(body, name) not in values:
            raise BadRequest(f"{prefix}{name}: not supported by the CPU engine; leave it out or serve by SGLang")
