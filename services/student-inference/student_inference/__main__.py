"""`python -m student_inference`: the CPU engine behind SGLang's HTTP API."""

import os
import sys
import threading
import time

from servicekit.logs import configure_logs
from servicekit.server import serve
from servicekit.settings import parse_settings

from student_inference.settings import InferenceSettings

PURPOSE = "Serves a student (Qwen3, Qwen2 or Llama-shaped) on the CPU behind SGLang's HTTP API."
# The engine gives the interpreter's lock up at every kernel; at the default of 5 ms a busy HTTP thread would make each
# of the some sixty kernels of a step wait that long to get it back.
SWITCH_INTERVAL_SECONDS = 0.0002


# sysexits.h: internal software error. A supervisor sees that this was no orderly end.
SOFTWARE_FAILURE = 70
# Answers that were delivered as aborted get this long to leave.
FAREWELL_SECONDS = 0.5


def end_process(failure: threading.ExceptHookArgs) -> None:
    """A service whose engine thread has died must not look alive: print why and exit, so that it is started anew."""
    threading.__excepthook__(failure)
    sys.stderr.flush()
    time.sleep(FAREWELL_SECONDS)
    os._exit(SOFTWARE_FAILURE)


def main() -> None:
    settings = parse_settings(InferenceSettings, "student_inference", PURPOSE)
    configure_logs("student-inference", settings.log_level, settings.log_format)
    # Imported late: `--help` and a wrong setting need not wait for torch.
    from student_inference.app import create_app
    from student_inference.config import ModelError
    from student_inference.inflow import LettingGo

    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    threading.excepthook = end_process
    try:
        app = create_app(settings)
    except ModelError as error:
        sys.stderr.write(f"student_inference: {error}\n")
        raise SystemExit(2) from None
    serve(app, settings, LettingGo)


if __name__ == "__main__":
    main()
