"""A route for what is asked most: one JSON model in and one out, without the machinery for all that it does not use.

What it cannot serve (another method, no JSON, a body that does not fit) it hands to FastAPI, whose refusal is the same
as that of any other route; so is its place in the OpenAPI document.
"""

from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from servicekit.observation import Message, Receive, Scope, Send

JSON = "application/json"


class DirectRoute(APIRoute):
    """POST of an endpoint `async (body: Model, request: Request) -> Model`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["method"] != "POST" or request.headers.get("content-type") != JSON:
            await super().handle(scope, receive, send)
            return
        try:
            body = await request.body()
            asked = self._model.model_validate_json(body)
        except ClientDisconnect:
            await super().handle(scope, receive, send)
        except ValidationError:
            await super().handle(scope, once_more(body, receive), send)
        else:
            answer: BaseModel = await self.endpoint(asked, request)
            await Response(answer.model_dump_json(), media_type=JSON)(scope, receive, send)

    @property
    def _model(self) -> type[BaseModel]:
        assert self.body_field is not None
        model: Any = self.body_field.field_info.annotation
        return model  # type: ignore[no-any-return]


def once_more(body: bytes, receive: Receive) -> Receive:
    """What was read already, then whatever follows."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
