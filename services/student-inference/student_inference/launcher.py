"""`python -m student_inference.launcher`: starts real SGLang, watches and restarts it (vLLM: `teacher_launcher`).

SGLang dies of a bad token id and may hang in a kernel; whoever runs it has to notice. The engine lives in a process
group of its own and ends as a whole, whether the launcher stops in order or is killed outright.
"""

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from servicekit.ending import asked_to_end
from servicekit.logs import configure_logs
from servicekit.settings import parse_settings

from student_inference.config import ModelError
from student_inference.launch_plan import (
    EngineSettings,
    LauncherSettings,
    backoff_seconds,
    sglang_command,
    sglang_environment,
)
from student_inference.supervised import Supervised, healthy

PURPOSE = "Starts and watches SGLang, with arguments for this model and machine."
# A hung engine answers no health check; SGLang itself gives one 20 s.
HEALTH_SECONDS = 25.0
HEALTH_EVERY_SECONDS = 10.0
# Consecutive failed health checks after which the engine counts as hung.
STRIKES = 3
# An engine that served this long was well: the next failure starts the backoff from its beginning.
STABLE_SECONDS = 300.0

log = structlog.get_logger()


def watch(settings: EngineSettings, start: Callable[[], Supervised], stopping: threading.Event) -> None:
    """Keep one engine running until `stopping` is set."""
    failures = 0
    while not stopping.is_set():
        with start() as engine:
            log.info("engine_started", pid=engine.pid, url=settings.url)
            reason = until_failure(engine, settings, stopping)
            if stopping.is_set():
                return
            failures = 1 if engine.age > STABLE_SECONDS else failures + 1
        pause = backoff_seconds(failures)
        log.error("engine_failed", reason=reason, failures=failures, restart_in_seconds=pause)
        stopping.wait(pause)


def until_failure(engine: Supervised, settings: EngineSettings, stopping: threading.Event) -> str:
    """Return why the engine must be started anew: it ended, never became healthy, or stopped answering."""
    strikes, was_healthy = 0, False
    while not stopping.wait(min(HEALTH_EVERY_SECONDS, settings.health_every_seconds)):
        code = engine.exit_code()
        if code is not None:
            return f"exit code {code}"
        if healthy(settings.url, HEALTH_SECONDS):
            if not was_healthy:
                log.info("engine_ready", seconds=round(engine.age, 1))
            strikes, was_healthy = 0, True
        elif was_healthy:
            strikes += 1
            if strikes == STRIKES:
                return f"{STRIKES} health checks failed"
        elif engine.age > settings.start_seconds:
            return f"not healthy {settings.start_seconds:.0f} s after its start"
    return "stopped"


Settings = TypeVar("Settings", bound=EngineSettings)


def run(given: Settings, start: Callable[[Settings], Supervised]) -> None:
    """Watch until SIGTERM or SIGINT, then exit 0; exit 2 when this machine cannot hold the model."""
    try:
        settings = given.for_this_machine()
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    configure_logs("student-inference", settings.log_level, settings.log_format)
    watch(settings, lambda: start(settings), asked_to_end())
    sys.exit(0)


def main() -> None:
    settings = parse_settings(LauncherSettings, "student_inference.launcher", PURPOSE)
    run(settings, lambda settings: Supervised(sglang_command(settings), sglang_environment()))


if __name__ == "__main__":
    main()
