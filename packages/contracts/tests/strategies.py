"""Random records for the round trips."""

from contracts.episodes import Attempt, Episode, Failure, Guidance, VersionSpan
from contracts.manifests import Manifest, ManifestEntry
from contracts.packed import Logprobs, TokenIds
from hypothesis import strategies as st

token_ids = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6).map(TokenIds.of)
finite = st.floats(allow_nan=False)
logprobs = st.lists(finite | st.floats(width=32, allow_nan=False), max_size=6).map(Logprobs.of)
counts = st.integers(0, 2**53)
texts = st.text(max_size=20)
purposes = st.sampled_from(["train", "eval"])

spans = st.builds(VersionSpan, version=counts, start=counts, end=counts)
attempts = st.builds(
    Attempt,
    token_ids=token_ids,
    logprobs=logprobs,
    version_spans=st.lists(spans, max_size=3),
    text=texts,
    outcome=st.sampled_from(["correct", "wrong", "malformed", "truncated"]),
    reward=st.sampled_from([0.0, 1.0]),
    finish_reason=st.sampled_from(["stop", "length"]),
    latency_seconds=finite,
)
guidances = st.builds(
    Guidance,
    token_ids=token_ids,
    text=texts,
    provider=texts,
    model=texts,
    prompt_tokens=counts,
    completion_tokens=counts,
    price_usd=finite,
    latency_seconds=finite,
    leak_rules=st.lists(texts, max_size=2),
    leak_lift=st.none() | finite,
    leak_action=st.none() | texts,
)
episodes = st.builds(
    Episode,
    episode_id=texts,
    job_id=texts,
    purpose=purposes,
    step=counts,
    question_id=texts,
    sample=counts,
    prompt_token_ids=token_ids,
    attempts=st.lists(attempts, max_size=3),
    guidances=st.lists(guidances, max_size=2),
    failure=st.none() | st.builds(Failure, code=texts, detail=texts),
    started_at=finite,
    finished_at=finite,
)
entries = st.builds(ManifestEntry, episode_id=texts, question_id=texts, sample=counts, seed=counts)
manifests = st.builds(
    Manifest,
    job_id=texts,
    purpose=purposes,
    step=counts,
    policy_version=counts,
    entries=st.lists(entries, max_size=70),
)
