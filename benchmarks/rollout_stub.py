"""The stub engine and gateway of the rollout benchmarks, a process of its own: ready answers, after a delay.

python benchmarks/rollout_stub.py PORT GENERATE_SECONDS GUIDANCE_SECONDS MOST_AT_ONCE TOKEN_ID...

MOST_AT_ONCE: answers that the engine makes at once, others wait in it. Guidance comes in ever other words, as a model's
does, so that nobody has made its tokens before.
"""

import asyncio
import itertools
import json
import random
import sys
from contextlib import nullcontext

from aiohttp import web

LOGPROB = -0.25
FIRST_VERSION = "job-1:0"
WORDS = ["you", "took", "the", "lowest", "gap", "but", "conductor", "means", "the", "highest", "density", "."]
# More than a worker remembers the tokens of.
GUIDANCES = 20_000
GUIDANCE = {
    "provider": "tutor",
    "model": "rules",
    "prompt_version": "p1",
    "latency_seconds": 0.0,
}


def generated(token_ids: list[int], version: str) -> bytes:
    """SGLang's answer to /generate."""
    meta = {
        "id": "0123",
        "finish_reason": {"type": "stop", "matched": token_ids[-1]},
        "prompt_tokens": 29,
        "completion_tokens": len(token_ids),
        "weight_version": version,
        "weight_versions": [{"version": version, "start": 0, "end": len(token_ids)}],
        "input_token_logprobs": [],
        "output_token_logprobs": [[LOGPROB, token, None] for token in token_ids],
        "e2e_latency": 0.0,
    }
    return json.dumps({"text": "", "output_ids": token_ids, "meta_info": meta}).encode()


def guidances() -> list[bytes]:
    """The gateway's answers, each in another order of the words."""
    orders = (random.sample(WORDS, len(WORDS)) for _ in range(GUIDANCES))
    return [json.dumps({"text": " ".join(words), **GUIDANCE}).encode() for words in orders]


class Stub:
    """`ready` gives the bodies by path, one after the other."""

    def __init__(self, token_ids: list[int], seconds: dict[str, float], most_at_once: int) -> None:
        self.token_ids = token_ids
        self.seconds = seconds
        self.places = {"/generate": asyncio.Semaphore(most_at_once), "/v1/guidance": nullcontext()}
        self.ready = {
            "/generate": itertools.repeat(generated(token_ids, FIRST_VERSION)),
            "/v1/guidance": itertools.cycle(guidances()),
        }

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        if self.seconds[request.path]:
            async with self.places[request.path]:
                await asyncio.sleep(self.seconds[request.path])
        return web.Response(body=next(self.ready[request.path]), content_type="application/json")

    async def swap(self, request: web.Request) -> web.Response:
        self.ready["/generate"] = itertools.repeat(generated(self.token_ids, await request.text()))
        return web.Response()


def main() -> None:
    port, generate_seconds, guidance_seconds, most_at_once, *token_ids = sys.argv[1:]
    seconds = {"/generate": float(generate_seconds), "/v1/guidance": float(guidance_seconds)}
    stub = Stub([*map(int, token_ids)], seconds, int(most_at_once))
    app = web.Application()
    for path in seconds:
        app.router.add_post(path, stub.answer)
    app.router.add_post("/version", stub.swap)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
