"""The stub engine and gateway of the rollout benchmarks, a process of its own: ready answers, after a delay.

python benchmarks/rollout_stub.py PORT GENERATE_SECONDS GUIDANCE_SECONDS TOKEN_ID...
"""

import asyncio
import json
import sys

from aiohttp import web

LOGPROB = -0.25
VERSION = "job-1:0"
GUIDANCE = {
    "text": "you took the lowest gap but conductor means the highest density .",
    "provider": "tutor",
    "model": "rules",
    "prompt_version": "p1",
    "latency_seconds": 0.0,
}


def generated(token_ids: list[int]) -> bytes:
    """SGLang's answer to /generate."""
    meta = {
        "id": "0123",
        "finish_reason": {"type": "stop", "matched": token_ids[-1]},
        "prompt_tokens": 29,
        "completion_tokens": len(token_ids),
        "weight_version": VERSION,
        "weight_versions": [{"version": VERSION, "start": 0, "end": len(token_ids)}],
        "input_token_logprobs": [],
        "output_token_logprobs": [[LOGPROB, token, None] for token in token_ids],
        "e2e_latency": 0.0,
    }
    return json.dumps({"text": "", "output_ids": token_ids, "meta_info": meta}).encode()


def answering(body: bytes, seconds: float) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if seconds:
            await asyncio.sleep(seconds)
        return web.Response(body=body, content_type="application/json")

    return answer


def main() -> None:
    port, generate_seconds, guidance_seconds, *token_ids = sys.argv[1:]
    app = web.Application()
    app.router.add_post("/generate", answering(generated([*map(int, token_ids)]), float(generate_seconds)))
    app.router.add_post("/v1/guidance", answering(json.dumps(GUIDANCE).encode(), float(guidance_seconds)))
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
