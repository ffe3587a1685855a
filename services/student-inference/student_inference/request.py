"""One generation: what was asked, and how far it has come."""

import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from student_inference.alternatives import NOTHING, Alternatives, Wanted
from student_inference.cache import Chain


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are chosen and when the generation ends; values are already validated.

    temperature 0 is greedy. top_k 0 keeps all tokens. seed decides every choice together with the position.
    """

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    min_new_tokens: int = 0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop_ids: frozenset[int] = frozenset()
    stop_texts: tuple[str, ...] = ()
    trim_stop: bool = True
    skip_special_tokens: bool = True


@dataclass
class Request:
    """The state of one generation; after submission only the engine's thread changes it."""

    rid: str
    prompt: list[int]
    params: SamplingParams
    logprob_start: int | None = None
    """First prompt position whose log-probability is wanted; None for none."""
    cache_salt: str = ""
    sample: int = 0
    """Its number among the samples of one prompt."""
    streamed: bool = False
    """Whether its state is wanted after every token."""
    wanted: Wanted = NOTHING
    """Log-probabilities of other tokens that are wanted beside those of the prompt's and output's own."""
    arrived: float = field(default_factory=time.perf_counter)

    output: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    prompt_logprobs: list[float] = field(default_factory=list)
    output_alternatives: Alternatives = field(default_factory=Alternatives)
    prompt_alternatives: Alternatives = field(default_factory=Alternatives)
    version_spans: list[tuple[str, int]] = field(default_factory=list)
    """(weight version, end of its span of output tokens), in order."""
    version: str = ""
    """Weight version when it finished."""
    finish: dict[str, Any] | None = None
    chain: Chain | None = None
    computed: int = 0
    """Positions whose keys and values are in the cache when the request's prefill starts."""
    cached_tokens: int = 0
    retractions: int = 0
    first_token_at: float | None = None
    finished_at: float | None = None

    @property
    def tokens(self) -> list[int]:
        """Prompt and output so far."""
        return self.prompt + self.output

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.output)

    @property
    def broken(self) -> bool:
        """It ended because the model gave no numbers: what it stored must not be read by anybody."""
        return bool((self.finish or {}).get("status_code"))

    @property
    def reserved(self) -> int:
        """Positions that the request may need in the cache; the last token is never fed back."""
        return len(self.prompt) + max(self.params.max_new_tokens, 1)

    def root(self, generation: int) -> Hashable:
        """Where the prefix of this request starts in the cache."""
        return (generation, self.cache_salt)

    def snapshot(self, version: str) -> "Request":
        """A copy of the state so far, its tokens attributed, that later steps leave alone."""
        copied = replace(
            self,
            output=list(self.output),
            logprobs=list(self.logprobs),
            output_alternatives=self.output_alternatives.copy(),
            version_spans=list(self.version_spans),
            chain=None,
            finished_at=time.perf_counter(),
        )
        copied.mark_version(version)
        return copied

    def mark_version(self, version: str) -> None:
        """Attribute the output tokens that no span covers yet to `version`."""
        self.version = version
        covered = self.version_spans[-1][1] if self.version_spans else 0
        if len(self.output) == covered:
            return
        if self.version_spans and self.version_spans[-1][0] == version:
            self.version_spans.pop()
        self.version_spans.append((version, len(self.output)))
