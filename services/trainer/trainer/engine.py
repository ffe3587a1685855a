"""The student engine over SGLang's HTTP API: what the trainer asks of it, and nothing more."""

from pathlib import Path
from typing import Any

import httpx2

# A local engine answers in milliseconds; one that decodes a full batch on a busy machine needs seconds.
ANSWER_SECONDS = 10.0
# A swap waits for the requests in flight (a batch of long answers) and reads the weights from disk.
SWAP_SECONDS = 120.0


class EngineError(Exception):
    """The engine did not do what was asked; the message says what it answered."""


class Engine:
    """One engine address. Raises EngineError from every method."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        # trust_env off: a proxy of the environment must not stand between the trainer and its engine.
        self.http = httpx2.Client(base_url=self.url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self.http.close()

    def weight_version(self) -> str:
        """What the engine says it serves."""
        return str(self.ask("GET", "/model_info").get("weight_version"))

    def load(self, directory: Path, version: str) -> None:
        """Swap the weights for those of a Hugging Face directory."""
        body = {"model_path": str(directory), "weight_version": version, "flush_cache": True}
        answer = self.ask("POST", "/update_weights_from_disk", body, SWAP_SECONDS)
        if answer.get("success") is not True:
            raise EngineError(f"{self.url} refused {directory}: {answer.get('message', answer)}")

    def prompt_logprobs(self, token_ids: list[int]) -> list[float]:
        """Log-probability of every token but the first, given those before it, at temperature 1."""
        body = {
            "input_ids": token_ids,
            "sampling_params": {"max_new_tokens": 1, "temperature": 1.0},
            "return_logprob": True,
            "logprob_start_len": 0,
        }
        answer = self.ask("POST", "/generate", body)
        try:
            values = [float(triple[0]) for triple in answer["meta_info"]["input_token_logprobs"][1:]]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EngineError(f"{self.url}/generate: no input_token_logprobs in the answer ({error!r})") from error
        if len(values) != len(token_ids) - 1:
            raise EngineError(f"{self.url}/generate: {len(values)} log-probabilities for {len(token_ids)} tokens")
        return values

    def ask(self, method: str, path: str, body: Any = None, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """One request; the answer is a JSON object."""
        try:
            response = self.http.request(method, path, json=body, timeout=seconds)
            answer = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise EngineError(f"{self.url}{path}: {error!r}") from error
        if response.status_code != 200 or not isinstance(answer, dict):
            raise EngineError(f"{self.url}{path}: HTTP {response.status_code}: {str(answer)[:300]}")
        return answer
