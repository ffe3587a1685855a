"""One recorded guidance, addressed by the content of its request."""

import hashlib
import json
from typing import Any, Literal

from contracts.guidance import GuidanceResponse
from pydantic import BaseModel, ConfigDict

from teacher_gateway.seams import Asked

# What of a teacher decides its words. Budget, deadline and cassette do not; view and ground truth show in the prompt.
# Nor does the tutor's price.
DECISIVE: dict[str, Any] = {
    **dict.fromkeys(["provider", "name", "base_url", "model", "temperature"], True),
    **dict.fromkeys(["max_guidance_tokens", "leak_guard", "leak_probe"], True),
    "tutor": {"style", "wrong_share"},
}


class Entry(BaseModel):
    """A line of an export. `asked` holds no job, no episode and no key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    key: str
    asked: dict[str, Any]
    given: GuidanceResponse


def question_of(asked: Asked, ladder: Any = None) -> dict[str, Any]:
    """Everything that decides what is answered. The sampling seed tells the samples of one prompt apart.

    ladder: what the gateway's teachers file says about a teacher that the request only names.
    """
    request = asked.request
    return {
        "teacher": request.teacher.model_dump(mode="json", include=DECISIVE, exclude_none=True),
        "ladder": ladder,
        "messages": [{"role": "user", "content": asked.prompt}],
        "prompt_version": asked.prompt_version,
        "sample": request.seed,
    }


def key_of(question: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted names, no blanks, UTF-8), in hexadecimal."""
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def replayed(entry: Entry) -> GuidanceResponse:
    """The guidance as it was given, for nothing."""
    return entry.given.model_copy(update={"price_usd": 0.0, "latency_seconds": 0.0, "replayed": True})
