"""From a checked body to requests: one for every prompt and sample."""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec import UNSET

from student_inference.alternatives import Wanted
from student_inference.protocol import NEUTRAL_SAMPLING, BadRequest, GenerateBody, SamplingBody, refuse
from student_inference.request import Request, SamplingParams
from student_inference.text import TextCodec

DEFAULT_MAX_NEW_TOKENS = 128
# SGLang samples greedily below this temperature.
GREEDY_TEMPERATURE = 1e-6
MAX_SAMPLES = 1024
MAX_STOPS = 32
"""SGLang's own limit of stop texts."""
SEED_LIMIT = 2**63

Value = TypeVar("Value")


@dataclass(frozen=True)
class Limits:
    """What the served model can take."""

    vocab_size: int
    context_length: int
    max_total_tokens: int
    eos_ids: frozenset[int]


def requests_of(body: GenerateBody, limits: Limits, text: TextCodec) -> list[Request]:
    """All requests of a body, the samples of one prompt side by side. Raises BadRequest."""
    prompts = prompts_of(body, text)
    count = len(prompts)
    sampling = spread(body.sampling_params or SamplingBody(), count, "sampling_params")
    scored = spread(body.return_logprob, count, "return_logprob")
    starts = spread(body.logprob_start_len, count, "logprob_start_len")
    wanted = wanted_of(body, count, limits)
    samples = samples_of(sampling)
    rids = rids_of(body, count, samples)
    salt = f"{body.extra_key or ''}\0{body.cache_salt or ''}"
    requests = []
    for index, prompt in enumerate(prompts):
        check_prompt(prompt, limits)
        start = prompt_start(prompt, scored[index], starts[index])
        for sample in range(samples):
            params = sampling_params(sampling[index], len(prompt), sample, limits)
            request = Request(rids[index * samples + sample], prompt, params, start, salt, sample)
            requests.append(replace(request, wanted=wanted[index]) if scored[index] else request)
    return requests


def prompts_of(body: GenerateBody, text: TextCodec) -> list[list[int]]:
    """Token ids of every prompt of the body."""
    if (body.input_ids is None) == (body.text is None):
        raise BadRequest("Either text or input_ids should be provided, and only one of them.")
    if body.text is not None:
        if not text.available:
            raise BadRequest("text: the model directory has no tokenizer.json; send input_ids")
        return [text.encode(one) for one in ([body.text] if isinstance(body.text, str) else body.text)]
    nested = [ids for ids in body.input_ids or [] if isinstance(ids, list)]
    flat = [token for token in body.input_ids or [] if isinstance(token, int)]
    if nested and flat:
        raise BadRequest("input_ids: must be a list of ids or a list of such lists, not a mixture")
    return nested or [flat]


def is_batch(body: GenerateBody, requests: Sequence[Request]) -> bool:
    """True when SGLang answers with a list: several samples, or lists in the body even of one prompt."""
    nested = isinstance(body.text, list) or any(isinstance(ids, list) for ids in body.input_ids or [])
    return nested or len(requests) > 1


def spread(value: Value | list[Value], count: int, name: str) -> list[Value]:
    """One value for every prompt."""
    if not isinstance(value, list):
        return [value] * count
    if len(value) != count:
        raise BadRequest(f"{name}: has {len(value)} elements for {count} prompts")
    return value


def wanted_of(body: GenerateBody, count: int, limits: Limits) -> list[Wanted]:
    """Which other tokens' log-probabilities each prompt's answer shows. A flat list of ids counts for every prompt."""
    tops = spread(body.top_logprobs_num or 0, count, "top_logprobs_num")
    given = body.token_ids_logprob or []
    flat = [token for token in given if isinstance(token, int)]
    lists = [ids for ids in given if isinstance(ids, list)]
    if flat and lists:
        raise BadRequest("token_ids_logprob: must be a list of ids or a list of such lists, not a mixture")
    if lists and len(lists) != count:
        raise BadRequest(f"token_ids_logprob: has {len(lists)} lists for {count} prompts")
    ids = lists or [flat] * count
    for top in tops:
        if not 0 <= top <= limits.vocab_size:
            raise BadRequest(f"top_logprobs_num: {top} must lie between 0 and the vocabulary's {limits.vocab_size}")
    for token in (token for part in ids for token in part):
        if not 0 <= token < limits.vocab_size:
            raise BadRequest(f"token_ids_logprob: {token} is outside the vocabulary of {limits.vocab_size}")
    return [Wanted(top, tuple(part)) for top, part in zip(tops, ids, strict=True)]


def samples_of(sampling: Sequence[SamplingBody]) -> int:
    numbers = {1 if body.n is None else body.n for body in sampling}
    if len(numbers) > 1 or not 1 <= max(numbers, default=1) <= MAX_SAMPLES:
        raise BadRequest(f"sampling_params.n: must be one number from 1 to {MAX_SAMPLES} for the whole batch")
    return max(numbers, default=1)


def rids_of(body: GenerateBody, prompts: int, samples: int) -> list[str]:
    """Request ids as SGLang gives them: a string is a prefix in a batch; with several samples they are fresh."""
    total = prompts * samples
    if body.rid is None or samples > 1:
        return [uuid.uuid4().hex for _ in range(total)]
    if isinstance(body.rid, str):
        return [body.rid] if total == 1 else [f"{body.rid}_{index}" for index in range(total)]
    if len(body.rid) != total or len(set(body.rid)) != total:
        raise BadRequest(f"rid: give {total} different ids, one for every prompt")
    return body.rid


def check_prompt(prompt: list[int], limits: Limits) -> None:
    if not prompt:
        raise BadRequest("input_ids: must hold at least one token")
    for token in (min(prompt), max(prompt)):
        if not 0 <= token < limits.vocab_size:
            raise BadRequest(f"input_ids: token id {token} is outside the vocabulary of {limits.vocab_size}")
    if len(prompt) >= limits.context_length:
        raise BadRequest(
            f"The input ({len(prompt)} tokens) is longer than the model's context length "
            f"({limits.context_length} tokens)."
        )


def prompt_start(prompt: list[int], scored: bool, start: int) -> int | None:
    """First prompt position to score, or None."""
    if not scored or start == -1 or start == len(prompt):
        return None
    if not 0 <= start < len(prompt):
        raise BadRequest(f"logprob_start_len: {start} must be -1 or lie within the prompt of {len(prompt)} tokens")
    return start


def sampling_params(body: SamplingBody, prompt_length: int, sample: int, limits: Limits) -> SamplingParams:
    """Checked parameters of one sample. Sample i of a seeded request uses seed + i, or all would be the same."""
    refuse(body, NEUTRAL_SAMPLING, "sampling_params.")
    maximum = max_new_tokens(body, prompt_length, limits)
    temperature = 1.0 if body.temperature is None else body.temperature
    top_k = -1 if body.top_k is None else body.top_k
    seed = secrets.randbits(62) if body.sampling_seed is None else body.sampling_seed
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    stop_ids = frozenset(body.stop_token_ids or ())
    params = SamplingParams(
        max_new_tokens=maximum,
        temperature=0.0 if 0.0 <= temperature < GREEDY_TEMPERATURE else temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=0 if top_k == -1 else min(top_k, limits.vocab_size),
        min_p=body.min_p or 0.0,
        seed=seed + sample,
        min_new_tokens=body.min_new_tokens or 0,
        frequency_penalty=body.frequency_penalty or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        logit_bias=logit_bias(body, limits),
        stop_ids=stop_ids if body.ignore_eos else limits.eos_ids | stop_ids,
        stop_texts=tuple(stop for stop in stops if stop),
        trim_stop=not body.no_stop_trim,
        skip_special_tokens=body.skip_special_tokens,
    )
    check_sampling(params, top_k, limits)
    # SGLang's ignore_eos switches off stop_token_ids too.
    return replace(params, stop_ids=frozenset()) if body.ignore_eos else params


def logit_bias(body: SamplingBody, limits: Limits) -> tuple[tuple[int, float], ...]:
    """(token id, what is added to its logit); JSON writes the ids as keys. Raises BadRequest for any other key."""
    bias = []
    for key, value in (body.logit_bias or {}).items():
        if not key.isascii() or not key.isdecimal() or int(key) >= limits.vocab_size:
            raise BadRequest(f"sampling_params.logit_bias: {key!r} is no token id below {limits.vocab_size}")
        bias.append((int(key), value))
    return tuple(bias)


def max_new_tokens(body: SamplingBody, prompt_length: int, limits: Limits) -> int:
    """How many tokens may follow the prompt; null means as many as fit. Raises BadRequest when they cannot fit."""
    longest = min(limits.context_length, limits.max_total_tokens) - prompt_length
    maximum = DEFAULT_MAX_NEW_TOKENS if body.max_new_tokens is UNSET else body.max_new_tokens
    if maximum is None:
        return max(longest, 0)
    if maximum > longest:
        raise BadRequest(
            f"Requested token count exceeds what the server can hold: {prompt_length} tokens of input and {maximum} "
            f"new ones, context length {limits.context_length}, max_total_tokens {limits.max_total_tokens}."
        )
    return maximum


def check_sampling(params: SamplingParams, top_k: int, limits: Limits) -> None:
    """Raise BadRequest for a value out of range, as SGLang's own checks do."""
    checks = (
        (0.0 <= params.temperature < float("inf"), "temperature must be a finite number of at least 0"),
        (0.0 < params.top_p <= 1.0, "top_p must be in (0, 1]"),
        (top_k == -1 or top_k >= 1, "top_k must be -1 (all tokens) or at least 1"),
        (0.0 <= params.min_p <= 1.0, "min_p must be in [0, 1]"),
        (-2.0 <= params.frequency_penalty <= 2.0, "frequency_penalty must be in [-2, 2]"),
        (-2.0 <= params.presence_penalty <= 2.0, "presence_penalty must be in [-2, 2]"),
        (0.0 < params.repetition_penalty <= 2.0, "repetition_penalty must be in (0, 2]"),
        (len(params.stop_texts) <= MAX_STOPS, f"stop may hold at most {MAX_STOPS} texts"),
        (params.max_new_tokens >= 0, "max_new_tokens must be at least 0"),
        (0 <= params.min_new_tokens <= params.max_new_tokens, "min_new_tokens must be in [0, max_new_tokens]"),
        (-SEED_LIMIT <= params.seed < SEED_LIMIT, "sampling_seed must fit into 64 bits"),
        (
            all(0 <= token < limits.vocab_size for token in params.stop_ids),
            f"stop_token_ids must lie in the vocabulary of {limits.vocab_size}",
        ),
    )
    for fine, message in checks:
        if not fine:
            raise BadRequest(f"sampling_params: {message}")
