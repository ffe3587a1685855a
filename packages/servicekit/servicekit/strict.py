"""JSON bodies that are what their schema says: "1" is no number, and 0 is not false."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError


def exact_body(kind: Any) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses (422) what FastAPI would turn into a value of the type `kind`.

    FastAPI reads bodies as Python objects, where strictness would refuse even objects and lists.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    async def check(request: Request) -> None:
        try:
            adapter.validate_json(await request.body(), strict=True)
        except ValidationError as error:
            raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in error.errors()]) from None

    return check
