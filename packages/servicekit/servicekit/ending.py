"""SIGTERM and SIGINT as an event that loops can wait on."""

import queue
import signal
import threading
from collections.abc import Iterable

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def asked_to_end(numbers: Iterable[signal.Signals] = ENDING_SIGNALS) -> threading.Event:
    """An event that is set once the process gets one of these signals. Call in the main thread.

    A handler that sets the event itself would wait for ever where the signal meets the main thread inside the event's
    own lock, which every `wait` takes. `SimpleQueue.put` alone may be interrupted by itself.
    """
    asked, heard = threading.Event(), queue.SimpleQueue[int]()
    for number in numbers:
        signal.signal(number, lambda got, _: heard.put(got))

    def pass_on() -> None:
        heard.get()
        asked.set()

    threading.Thread(target=pass_on, name="ending", daemon=True).start()
    return asked
