"""The Retry-After header (RFC 9110 section 10.2.3)."""

import math
import time
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None) -> int | None:
    """Whole seconds from now, rounded up; None for a missing or unreadable header. Takes seconds or an HTTP date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return whole_seconds(seconds)


def whole_seconds(seconds: float | None) -> int | None:
    """Rounded up, never negative; None for None and for what is no finite number."""
    return max(0, math.ceil(seconds)) if seconds is not None and math.isfinite(seconds) else None
