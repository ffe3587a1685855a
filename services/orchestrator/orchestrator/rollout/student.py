"""The student engine (SGLang's `POST /generate`): token ids in, token ids with log-probabilities and versions out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from contracts.episodes import VersionSpan
from contracts.policies import engine_version, parse_engine_version
from pydantic import SecretStr
from servicekit.http_client import Connections
from servicekit.http_connection import Reply

from orchestrator.rollout.door import Door
from orchestrator.rollout.replicas import STALE_POLICY, Replicas
from orchestrator.rollout.retries import RolloutError, Unavailable, ask_until, seconds_for_a_try

PASSING_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Sampling:
    """How one answer is sampled; `seed` makes it reproducible. Temperature 0 is greedy."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True)
class Policy:
    """Weights that may answer: those of this job, of `oldest` version or newer; of any job where `job_id` is empty."""

    job_id: str
    oldest: int


# Whatever the engine serves; weights that no job published count as version 0.
ANY_POLICY = Policy("", 0)


@dataclass(frozen=True)
class Answer:
    """One answer as the engine sampled it, the end token included; log-probabilities in nats, one per token."""

    token_ids: list[int]
    logprobs: list[float]
    version_spans: list[VersionSpan]
    finish_reason: Literal["stop", "length"]
    latency_seconds: float


class _Finish(msgspec.Struct):
    type: Literal["stop", "length", "abort"]
    message: str = ""


class _Span(msgspec.Struct):
    version: str
    start: int
    end: int


class _Meta(msgspec.Struct):
    finish_reason: _Finish
    weight_version: str
    output_token_logprobs: list[tuple[float, int, str | None]] = []
    weight_versions: list[_Span] = []


class _Generated(msgspec.Struct):
    output_ids: list[int]
    meta_info: _Meta


_decoder = msgspec.json.Decoder(_Generated)


class Student:
    """Client of the engine's replicas."""

    def __init__(self, connections: Connections, replicas: Replicas, key: SecretStr | None = None) -> None:
        self.replicas = replicas
        self.doors = {url: Door(connections, f"{url}/generate", "engine_unreachable", key) for url in replicas.urls}

    async def answer(
        self, context_ids: Sequence[int], sampling: Sampling, policy: Policy, prefix: str, deadline: float
    ) -> Answer:
        """Continue the context by one answer; asks again while no replica serves the policy, or one fails.

        prefix: requests with the same go to the same replica, whose cache holds what they share. deadline: in the
        event loop's time. Raises RolloutError.
        """
        body = request_body(context_ids, sampling)

        async def ask() -> Answer:
            url = await self.replicas.choose(policy.job_id, policy.oldest, prefix)
            try:
                answer = await self.ask(url, body, policy, deadline)
            except Unavailable as error:
                await self.replicas.note_failure(policy.job_id, url, error.code)
                raise
            self.replicas.note_success(url)
            await self.replicas.await_proof(policy.job_id, url, {span.version for span in answer.version_spans})
            return answer

        return await ask_until(deadline, ask)

    async def ask(self, url: str, body: bytes, policy: Policy, deadline: float) -> Answer:
        """One request to one replica. Raises RolloutError."""
        started = time.perf_counter()
        with self.replicas.sending(url):
            reply = await self.doors[url].post(body, seconds_for_a_try(deadline))
        return read_answer(reply, policy, time.perf_counter() - started)


class ServedStudent(Student):
    """One address with whatever weights it serves, outside every job's rotation."""

    async def answer(
        self, context_ids: Sequence[int], sampling: Sampling, policy: Policy, prefix: str, deadline: float
    ) -> Answer:
        """Continue the context by one answer; asks again while the engine is away. Raises RolloutError."""
        (url,) = self.replicas.urls
        body = request_body(context_ids, sampling)
        return await ask_until(deadline, lambda: self.ask(url, body, policy, deadline))


def request_body(context_ids: Sequence[int], sampling: Sampling) -> bytes:
    """The JSON of `POST /generate`."""
    parameters = {
        "max_new_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "sampling_seed": sampling.seed,
    }
    return msgspec.json.encode({"input_ids": context_ids, "sampling_params": parameters, "return_logprob": True})


def read_answer(reply: Reply, policy: Policy, latency_seconds: float) -> Answer:
    """Check one reply of the engine.

    Raises Unavailable for what passes (busy, aborted, other weights), RolloutError for a refusal or a reply that
    breaks the contract.
    """
    if reply.status >= 500 or reply.status in PASSING_STATUSES:
        detail = f"the student engine answered {reply.status}: {reply.shown}"
        raise Unavailable("engine_unavailable", detail, reply.retry_after)
    if reply.status != 200:
        raise RolloutError("engine_refused", f"the student engine answered {reply.status}: {reply.shown}")
    try:
        generated = _decoder.decode(reply.body)
    except msgspec.MsgspecError as error:
        raise _broken(str(error)) from error
    finish = generated.meta_info.finish_reason
    if finish.type == "abort":
        raise Unavailable("engine_aborted", f"the student engine aborted the answer: {finish.message}")
    return Answer(
        token_ids=generated.output_ids,
        logprobs=_logprobs(generated),
        version_spans=_version_spans(generated, policy),
        finish_reason=finish.type,
        latency_seconds=latency_seconds,
    )


def _logprobs(generated: _Generated) -> list[float]:
    entries = generated.meta_info.output_token_logprobs
    if not entries or [token_id for _, token_id, _ in entries] != generated.output_ids:
        raise _broken("output_token_logprobs and output_ids do not name the same tokens")
    return [logprob for logprob, _, _ in entries]


def _version_spans(generated: _Generated, policy: Policy) -> list[VersionSpan]:
    """The policy version of every token. Engines without spans give one version for the whole answer."""
    meta, tokens = generated.meta_info, len(generated.output_ids)
    spans = [
        VersionSpan(version=_version(span.version, policy), start=span.start, end=span.end)
        for span in meta.weight_versions or [_Span(meta.weight_version, 0, tokens)]
    ]
    edges = [0, *(span.end for span in spans)]
    if [span.start for span in spans] != edges[:-1] or edges[-1] != tokens or edges != sorted(edges):
        raise _broken(f"weight_versions do not cover the {tokens} tokens in order")
    return spans


def _version(text: str, policy: Policy) -> int:
    known = parse_engine_version(text)
    if policy == ANY_POLICY:
        return known[1] if known else 0
    if known is None or known[0] != policy.job_id or known[1] < policy.oldest:
        wanted = engine_version(policy.job_id, policy.oldest)
        raise Unavailable(STALE_POLICY, f"the student engine serves weights {text!r}, wanted {wanted!r} or newer")
    return known[1]


def _broken(what: str) -> RolloutError:
    return RolloutError("engine_contract", f"the student engine's reply breaks its contract: {what}")
