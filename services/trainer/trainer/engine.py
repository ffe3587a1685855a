"""The student engine over SGLang's HTTP API: what the trainer asks of it, and nothing more."""

import itertools
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr
from servicekit.keepalive import keepalive_options

from trainer.pouring import post

# A local engine answers in milliseconds; one that decodes a full batch on a busy machine needs seconds.
ANSWER_SECONDS = 10.0
NDJSON = {"Content-Type": "application/x-ndjson"}
OCTETS = {"Content-Type": "application/octet-stream"}
ABSENT_STATUSES = frozenset({404, 501})
# Everything else that is asked changes the engine, which takes the admin key.
NORMAL_PATHS = frozenset({"/generate", "/model_info", "/server_info"})


class EngineError(Exception):
    """The engine did not do what was asked; the message says what it answered."""


class RouteMissing(EngineError):
    """The engine does not have this route."""


@dataclass(frozen=True)
class Identity:
    """What an engine says of itself. `instance` changes with every start; empty where there is none (SGLang)."""

    weight_version: str
    instance: str


class Engine:
    """One engine address. Raises EngineError from every method. `seconds` bounds one wait of the connection.

    Keys are SGLang's: one for normal routes, one for those that change the engine (without it: the first), and neither
    opens what the other does.
    """

    def __init__(self, url: str, api_key: SecretStr | None = None, admin_key: SecretStr | None = None) -> None:
        self.url = url.rstrip("/")
        self._normal, self._admin = bearer(api_key), bearer(admin_key or api_key)
        # trust_env off: a proxy of the environment must not stand between the trainer and its engine.
        transport = httpx2.HTTPTransport(trust_env=False, socket_options=keepalive_options())
        self.http = httpx2.Client(base_url=self.url, timeout=ANSWER_SECONDS, trust_env=False, transport=transport)

    def close(self) -> None:
        """Give the connections back."""
        self.http.close()

    def identity(self) -> Identity:
        """What the engine says it serves."""
        answer = self.ask("GET", "/model_info")
        return Identity(str(answer.get("weight_version")), str(answer.get("instance_id") or ""))

    def pause(self, seconds: float) -> None:
        """Stop between two steps. Running requests go back to the queue: they go on with whatever is served then."""
        self.ask("POST", "/pause_generation", {"mode": "retract"}, seconds)

    def resume(self, seconds: float) -> None:
        """Generate again."""
        self.ask("POST", "/continue_generation", {}, seconds)

    def prepare(self, directory: Path, version: str, landed: Iterable[tuple[str, str]], seconds: float) -> None:
        """Let it read and check a directory without serving it: each file and its XXH3-128 when it has landed.

        Raises RouteMissing where there is no such route, and what `landed` raises.
        """
        head = {"model_path": str(directory), "weight_version": version}
        lines = (json_line({"file": file, "xxh128": digest}) for file, digest in landed)
        path, content, headers = "/prepare_weights", itertools.chain([json_line(head)], lines), NDJSON | self._admin
        try:
            response = self.http.post(path, content=content, headers=headers, timeout=seconds)
        except httpx2.HTTPError as error:
            raise EngineError(f"{self.url}{path}: {error!r}") from error
        require_success(self.url, path, self.checked(path, response))

    def load(self, directory: Path | str, version: str, seconds: float) -> None:
        """Swap the weights for those of a Hugging Face directory, and forget every cached prefix."""
        body = {"model_path": str(directory), "weight_version": version, "flush_cache": True}
        self.succeed("/update_weights_from_disk", body, seconds)

    def upload(self, length: int, pour: Callable[[socket.socket], None], seconds: float) -> str:
        """Send weights of so many bytes, which `pour` writes to the connection. Returns the receipt for `load_upload`.

        Raises RouteMissing where there is no such route, and what `pour` raises.
        """
        path, headers = "/upload_weights", OCTETS | self._admin
        try:
            status, text = post(self.url + path, headers, length, pour, seconds)
        except (HTTPException, OSError) as error:
            raise EngineError(f"{self.url}{path}: {error!r}") from error
        return str(self.checked(path, httpx2.Response(status, content=text)).get("receipt"))

    def load_upload(self, receipt: str, version: str, seconds: float) -> None:
        """Swap the weights for those that were uploaded, and forget every cached prefix."""
        body = {"receipt": receipt, "weight_version": version, "flush_cache": True}
        self.succeed("/update_weights_from_upload", body, seconds)

    def succeed(self, path: str, body: Mapping[str, Any], seconds: float) -> None:
        """A POST whose answer must say `success`."""
        require_success(self.url, path, self.ask("POST", path, body, seconds))

    def prompt_logprobs(self, token_ids: list[int], seconds: float = ANSWER_SECONDS) -> list[float]:
        """Log-probability of every token but the first, given those before it, at temperature 1.

        After a swap the requests that were retracted for it are computed anew before its turn comes.
        """
        body = {
            "input_ids": token_ids,
            "sampling_params": {"max_new_tokens": 1, "temperature": 1.0},
            "return_logprob": True,
            "logprob_start_len": 0,
        }
        answer = self.ask("POST", "/generate", body, seconds)
        try:
            values = [float(triple[0]) for triple in answer["meta_info"]["input_token_logprobs"][1:]]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EngineError(f"{self.url}/generate: no input_token_logprobs in the answer ({error!r})") from error
        if len(values) != len(token_ids) - 1:
            raise EngineError(f"{self.url}/generate: {len(values)} log-probabilities for {len(token_ids)} tokens")
        return values

    def ask(self, method: str, path: str, body: Any = None, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """One request; the answer is a JSON object."""
        headers = self._normal if path in NORMAL_PATHS else self._admin
        try:
            response = self.http.request(method, path, json=body, headers=headers, timeout=seconds)
        except httpx2.HTTPError as error:
            raise EngineError(f"{self.url}{path}: {error!r}") from error
        return self.checked(path, response)

    def checked(self, path: str, response: httpx2.Response) -> dict[str, Any]:
        """The JSON object of a 200."""
        shown = f"{self.url}{path}: HTTP {response.status_code}: {response.text[:300]}"
        if response.status_code in ABSENT_STATUSES:
            raise RouteMissing(shown)
        try:
            answer = response.json()
        except ValueError as error:
            raise EngineError(shown) from error
        if response.status_code != 200 or not isinstance(answer, dict):
            raise EngineError(shown)
        return answer


def bearer(key: SecretStr | None) -> dict[str, str]:
    """The header that shows a key, if there is one."""
    return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}


def require_success(url: str, path: str, answer: Mapping[str, Any]) -> None:
    if answer.get("success") is not True:
        raise EngineError(f"{url}{path}: {answer.get('message', answer)}")


def json_line(record: Mapping[str, str]) -> bytes:
    return json.dumps(record).encode() + b"\n"
