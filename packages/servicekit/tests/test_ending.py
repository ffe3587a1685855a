"""Whoever waits for the end of the process hears of it, wherever the signal finds the main thread."""

import signal
import subprocess
import sys

# Seconds; a healthy end takes milliseconds.
DEADLINE = 20.0
WAITS = "from servicekit.ending import asked_to_end; asked = asked_to_end(); print('up', flush=True); asked.wait(60)"
# The lock that Event.wait holds for a moment, at which a signal may come.
INSIDE_THE_LOCK = """
import signal
from servicekit.ending import asked_to_end
asked = asked_to_end()
with asked._cond:
    signal.raise_signal(signal.SIGTERM)
raise SystemExit(0 if asked.wait(10) else 1)
"""


def test_a_waiting_process_ends_by_either_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(number)
            assert process.wait(DEADLINE) == 0


def test_a_signal_inside_the_lock_of_the_event_is_heard() -> None:
    assert subprocess.run([sys.executable, "-c", INSIDE_THE_LOCK], timeout=DEADLINE, check=False).returncode == 0
