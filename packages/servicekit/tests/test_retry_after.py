"""When to ask again, as the other side says it."""

import time
from email.utils import formatdate

import pytest
from servicekit.retry_after import parse_retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3), ("0", 0), ("1.2", 2), ("-5", 0), ("soon", None), ("", None), ("nan", None), ("inf", None)],
)
def test_retry_after_in_seconds(header: str | None, seconds: int | None) -> None:
    assert parse_retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    assert 50 <= (parse_retry_after(formatdate(time.time() + 60, usegmt=True)) or 0) <= 61
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
