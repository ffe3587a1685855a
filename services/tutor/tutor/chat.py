"""The part of the OpenAI chat API that the tutor speaks: request, completion, error."""

from typing import Any, Literal

from contracts.teachers import TutorManner
from pydantic import BaseModel, Field

MODEL = "materials-tutor"


class TextPart(BaseModel):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One turn; its content is a text or a list of texts."""

    role: str
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(BaseModel):
    """A request for a completion. Temperature and the like are accepted and change nothing: rules do not sample."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    n: int | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    seed: int = Field(0, description="Decides which guidances are wrong ones.")
    tutor: TutorManner = Field(TutorManner(), description="Our own part (`extra_body` of OpenAI's client).")

    @property
    def last_user_text(self) -> str:
        """Empty when no user has spoken."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def word_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class ChatError(Exception):
    """An error in OpenAI's shape."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code},
        }


def completion(completion_id: str, created: int, prompt: str, answer: str, word_limit: int | None) -> dict[str, Any]:
    """A `chat.completion` object. Tokens are counted in words; `word_limit` cuts the answer as max_tokens does."""
    words = answer.split()
    cut = word_limit is not None and len(words) > word_limit
    text = " ".join(words[:word_limit]) if cut else answer
    prompt_tokens, completion_tokens = len(prompt.split()), len(text.split())
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": created,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "length" if cut else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
