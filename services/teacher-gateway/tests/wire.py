"""What OpenAI, Anthropic and Gemini put on the wire, as their API references show it."""

from dataclasses import dataclass
from typing import Any

from .scripted import DROP, chat_completion, chat_error, http_answer


def anthropic_message(text: str | None, stop_reason: str = "end_turn") -> dict[str, Any]:
    """https://platform.claude.com/docs/en/api/messages"""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 19,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 10,
            "service_tier": "standard",
        },
    }


def anthropic_error(kind: str, message: str) -> dict[str, Any]:
    """https://platform.claude.com/docs/en/api/errors"""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def gemini_content(text: str | None, finish_reason: str = "STOP") -> dict[str, Any]:
    """https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse"""
    content = {"role": "model", "parts": [{"text": text}]} if text is not None else {"role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": finish_reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 19, "candidatesTokenCount": 10, "totalTokenCount": 29},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "d2cMaYCqMM-vz7IPnOXU6QM",
    }


def gemini_error(code: int, status: str, message: str, retry_seconds: int | None = None) -> dict[str, Any]:
    """https://ai.google.dev/gemini-api/docs/troubleshooting: Gemini says when to come back in the body."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_seconds}s"}]
    error = {"code": code, "message": message, "status": status}
    return {"error": error if retry_seconds is None else {**error, "details": details}}


@dataclass(frozen=True)
class Wire:
    """One provider's answers to the same events."""

    kind: str
    model: str
    served_model: str
    path: str
    key_header: str
    success: bytes
    truncated: bytes
    filtered: bytes
    empty: bytes
    rate_limited: bytes  # at once
    rate_limited_for_long: bytes  # 60 s
    overloaded: bytes
    server_error: bytes
    unauthorized: bytes
    unknown_model: bytes
    out_of_credit: bytes
    garbage: bytes = http_answer(200, b"<html>hello</html>")
    dropped: bytes = DROP

    @property
    def cut_short(self) -> bytes:
        """The connection breaks within the body."""
        return self.success[:-10] + DROP

    def base_url(self, address: str) -> str:
        """`address` ends in /v1, as OpenAI's base URLs do and the others' do not."""
        return address if self.kind == "openai" else address.removesuffix("/v1")


TEXT = "Check the carry."
OPENAI = Wire(
    kind="openai",
    model="gpt-4.1",
    served_model="gpt-4.1-2025-04-14",
    path="/v1/chat/completions",
    key_header="authorization",
    success=http_answer(200, chat_completion(TEXT)),
    truncated=http_answer(200, chat_completion("Check the", "length")),
    filtered=http_answer(200, chat_completion(None, "content_filter")),
    empty=http_answer(200, chat_completion("")),
    rate_limited=http_answer(429, chat_error("Rate limit reached", "rate_limit_exceeded"), {"retry-after": "0"}),
    rate_limited_for_long=http_answer(
        429, chat_error("Rate limit reached", "rate_limit_exceeded"), {"retry-after": "60"}
    ),
    overloaded=http_answer(503, chat_error("The engine is currently overloaded, please try again later")),
    server_error=http_answer(500, chat_error("The server had an error while processing your request.")),
    unauthorized=http_answer(401, chat_error("Incorrect API key provided: KEY.", "invalid_api_key")),
    unknown_model=http_answer(404, chat_error("The model `gpt-9` does not exist", "model_not_found")),
    out_of_credit=http_answer(429, chat_error("You exceeded your current quota", "insufficient_quota")),
)
ANTHROPIC = Wire(
    kind="anthropic",
    model="claude-haiku-4-5",
    served_model="claude-haiku-4-5",
    path="/v1/messages",
    key_header="authorization",
    success=http_answer(200, anthropic_message(TEXT)),
    truncated=http_answer(200, anthropic_message("Check the", "max_tokens")),
    filtered=http_answer(200, anthropic_message(None, "refusal")),
    empty=http_answer(200, anthropic_message(None)),
    rate_limited=http_answer(429, anthropic_error("rate_limit_error", "Slow down"), {"retry-after": "0"}),
    rate_limited_for_long=http_answer(429, anthropic_error("rate_limit_error", "Slow down"), {"retry-after": "60"}),
    overloaded=http_answer(529, anthropic_error("overloaded_error", "Overloaded")),
    server_error=http_answer(500, anthropic_error("api_error", "Internal server error")),
    unauthorized=http_answer(401, anthropic_error("authentication_error", "invalid x-api-key KEY")),
    unknown_model=http_answer(404, anthropic_error("not_found_error", "model: claude-9")),
    out_of_credit=http_answer(
        400, anthropic_error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")
    ),
)
GEMINI = Wire(
    kind="gemini",
    model="gemini-2.5-flash",
    served_model="gemini-2.5-flash",
    path="/v1beta/models/gemini-2.5-flash:generateContent",
    key_header="x-goog-api-key",
    success=http_answer(200, gemini_content(TEXT)),
    truncated=http_answer(200, gemini_content("Check the", "MAX_TOKENS")),
    filtered=http_answer(200, gemini_content(None, "SAFETY")),
    empty=http_answer(200, gemini_content("")),
    rate_limited=http_answer(429, gemini_error(429, "RESOURCE_EXHAUSTED", "Too many requests", 0)),
    rate_limited_for_long=http_answer(429, gemini_error(429, "RESOURCE_EXHAUSTED", "Too many requests", 60)),
    overloaded=http_answer(503, gemini_error(503, "UNAVAILABLE", "The model is overloaded.")),
    server_error=http_answer(500, gemini_error(500, "INTERNAL", "An internal error has occurred.")),
    unauthorized=http_answer(403, gemini_error(403, "PERMISSION_DENIED", "The API key KEY is not valid.")),
    unknown_model=http_answer(404, gemini_error(404, "NOT_FOUND", "models/gemini-9 is not found")),
    out_of_credit=http_answer(
        400, gemini_error(400, "FAILED_PRECONDITION", "Please enable billing on your project in Google AI Studio.")
    ),
)
WIRES = [OPENAI, ANTHROPIC, GEMINI]
