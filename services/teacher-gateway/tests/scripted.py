"""A teacher that follows a script over a real socket."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

STALL = b""  # a script entry: say nothing and keep the connection open
DROP = b"\0drop"  # ends a script entry: close the connection here, with or without words before it


def http_answer(status: int, body: Any, headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP/1.1 response; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Scripted", "content-type: application/json", f"content-length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def chat_completion(content: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    """The body of https://platform.openai.com/docs/api-reference/chat/object, as a server sends it."""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        "service_tier": "default",
    }


def chat_error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@dataclass
class Seen:
    """A request as the teacher got it; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ScriptedTeacher:
    """Answers request n with entry n of its script, the last entry for ever."""

    script: tuple[bytes, ...]
    seen: list[Seen] = field(default_factory=list)
    server: asyncio.Server | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    arrivals: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # one for each request

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self.server
        self.server.close()
        for writer in self.writers:
            writer.close()
        await self.server.wait_closed()

    @property
    def base_url(self) -> str:
        assert self.server
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.seen.append(Seen(request_line.split()[1], headers, body))
        self.arrivals.release()
        entry = self.script[min(len(self.seen), len(self.script)) - 1]
        writer.write(entry.removesuffix(DROP))
        await writer.drain()
        if entry.endswith(DROP):
            raise ConnectionError


def guidance_request(teacher: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A body for POST /v1/guidance."""
    return {
        "job_id": "job-1",
        "episode_id": "job-1/train/1/q-7/0",
        "attempt": 1,
        "teacher": teacher,
        "question": "What is 2 + 3?",
        "dialogue": [
            {"role": "user", "content": "What is 2 + 3?"},
            {"role": "assistant", "content": "<answer>6</answer>"},
        ],
        "latest_answer": "<answer>6</answer>",
        "seed": 11,
        **changes,
    }


def compatible(base_url: str, **changes: Any) -> dict[str, Any]:
    """A teacher spec that points at a base URL."""
    return {"provider": "openai_compatible", "base_url": base_url, "model": "gpt-4.1", "timeout_seconds": 5, **changes}
