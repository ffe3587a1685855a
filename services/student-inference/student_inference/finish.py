"""When a generation ends, in SGLang's words."""

from collections.abc import Callable
from typing import Any

from student_inference.request import Request

Decode = Callable[[list[int]], str]


def abort_reason(message: str, status: int | None = None) -> dict[str, Any]:
    """SGLang's finish reason of an aborted request."""
    return {"type": "abort", "message": message, "status_code": status, "err_type": None}


def finish_reason(request: Request, token: int, logprob: float, decode: Decode | None) -> dict[str, Any] | None:
    """Why the request ends with `token`, or None: a stop text before a stop token before the length, as in SGLang."""
    params = request.params
    if logprob != logprob:
        return abort_reason("The model gave a log-probability that is not a number", status=500)
    if params.stop_texts and decode is not None:
        # A stop text of c characters can span at most c tokens, the newest among them.
        tail = decode(request.output[-max(map(len, params.stop_texts)) - 1 :])
        for text in params.stop_texts:
            if text in tail:
                return {"type": "stop", "matched": text}
    if token in params.stop_ids and params.max_new_tokens:
        return {"type": "stop", "matched": token}
    if len(request.output) >= params.max_new_tokens:
        return {"type": "length", "length": params.max_new_tokens}
    return None
