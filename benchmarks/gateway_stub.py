"""The stub teacher of gateway_overhead, a process of its own: it waits, answers, and says how long it took."""

import asyncio
import random
import sys
import time

import msgspec
from aiohttp import web

# Some 120 tokens in six sentences, as the teacher prompt asks for.
WORDS = (
    "You compared the conductors by how well they carry a current, but the question asks for something else. "
    "Read its last line again and write down which property is wanted and in which unit it is measured. "
    "Then think of how heavy a block of the same size would be for each of the four, before you look at any table. "
    "A good check is the place in the periodic table: heavier atoms that sit as close together make a denser solid. "
    "Do not mix that up with hardness or with the price, which have nothing to do with it. "
    "When you have put all four in order, compare the two at the end where the wanted one must be and decide."
)


async def answer(request: web.Request) -> web.Response:
    """One completion after the seconds that end the model's name, half more or less; its words begin with the time."""
    started = time.perf_counter()
    mean = float(msgspec.json.decode(await request.read())["model"].partition(":")[2])
    await asyncio.sleep(mean * random.uniform(0.5, 1.5))
    text = f"{time.perf_counter() - started:.6f} s. {WORDS}"
    return web.json_response(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": "stub",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 300, "completion_tokens": 120, "total_tokens": 420},
        }
    )


def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
