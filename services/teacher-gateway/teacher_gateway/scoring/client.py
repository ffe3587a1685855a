"""Asks a local teacher what it would have said: per-token log-probabilities of the student's tokens."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from contracts.errors import Problem
from contracts.teachers import TeacherSpec
from pydantic import SecretStr
from servicekit.addresses import MOST_ADDRESSES
from servicekit.http_client import Connections, Door

from teacher_gateway.addresses import canonical
from teacher_gateway.failures import PassingFailure, TeacherFailure
from teacher_gateway.keys import KeyRing
from teacher_gateway.money.prices import is_local
from teacher_gateway.scoring.formats import Engine, Scored, read_scores, sglang_body, vllm_body
from teacher_gateway.settings import GatewaySettings
from teacher_gateway.teachers_file import TeachersFile

COMPATIBLE = "openai_compatible"
# One forward pass over a prompt; a busy server queues it behind generations.
SCORE_SECONDS = 120.0


class Scorer:
    """Finds the server of a teacher and speaks its engine's form."""

    def __init__(
        self,
        connections: Connections,
        settings: GatewaySettings,
        file: TeachersFile,
        environment: Mapping[str, str],
    ) -> None:
        self._connections = connections
        self._door = lru_cache(MOST_ADDRESSES)(self._open_door)
        self._file = file
        variables = {
            provider.base_url: environment.get(provider.api_key_env or "")
            for provider in file.providers.values()
            if provider.base_url
        }
        named = {base_url: SecretStr(key) for base_url, key in variables.items() if key}
        self._keys = KeyRing({**settings.api_keys, **named})

    async def score(self, teacher: TeacherSpec, engine: Engine, token_ids: list[int], start: int) -> Scored:
        """Natural logarithms for token_ids[start:]. Raises a 501 Problem with the reason where that is not possible."""
        base_url, model = self._server(teacher)
        if engine == "vllm":
            address, body = canonical(base_url) + "/completions", vllm_body(model, token_ids)
        else:
            # SGLang's own API lies beside its OpenAI one, not below it.
            address, body = canonical(base_url).removesuffix("/v1") + "/generate", sglang_body(token_ids)
        try:
            answer = await self._door(address, base_url).post(msgspec.json.encode(body), SCORE_SECONDS)
        except (OSError, UnicodeError) as error:
            detail = f"No scores from the teacher at {base_url} ({type(error).__name__}); check that it runs there."
            raise PassingFailure(502, "teacher_unreachable", detail) from error
        if answer.status != 200:
            raise refusal(answer.status, engine)
        return read_scores(engine, answer.body, token_ids, start)

    def _open_door(self, address: str, base_url: str) -> Door:
        return Door(self._connections, address, self._keys.of(base_url))

    def _server(self, teacher: TeacherSpec) -> tuple[str, str]:
        if teacher.name is not None and teacher.name in self._file.teachers:
            named = self._file.teachers[teacher.name]
            provider = self._file.providers[named.provider]
            if provider.kind == COMPATIBLE and provider.base_url:
                return provider.base_url, named.model
            raise cannot_score(f"{named.provider} ({provider.kind})", "gives no log-probabilities of given tokens")
        if teacher.provider != COMPATIBLE or teacher.base_url is None or teacher.model is None:
            raise cannot_score(teacher.provider, "is no model of one's own that shares the student's tokenizer")
        if not is_local(teacher.base_url):
            raise cannot_score(teacher.base_url, "is no local server; name it in the teachers file if it is yours")
        return teacher.base_url, teacher.model


def cannot_score(who: str, why: str) -> Problem:
    """A 501: no other request to this teacher would be served either."""
    detail = f"{who} {why}; scoring needs vLLM or SGLang with the student's tokenizer."
    return Problem(501, "scoring_not_possible", detail, field="teacher")


def refusal(status: int, engine: Engine) -> Problem:
    """What a server's own refusal means. Its words are not repeated: it may be anybody's."""
    if status in (404, 405):
        return cannot_score("This server", f"has not the {engine} route")
    if status == 429 or status >= 500:
        return PassingFailure(502, "teacher_failed", f"The {engine} server answered {status}; try again.")
    return TeacherFailure(502, "teacher_refused", f"The {engine} server refused to score ({status}); check its model.")
