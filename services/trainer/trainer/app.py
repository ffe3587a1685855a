"""Wiring: the training loop in the main thread, health and metrics beside it."""

import signal
import threading

import torch
from prometheus_client import CollectorRegistry
from servicekit.logs import configure_logs

from trainer.disk import watch_disk
from trainer.heartbeat import Presence, start_heartbeat
from trainer.jobs import Trainer
from trainer.meters import Meters
from trainer.routes import create_app, start_server
from trainer.settings import TrainerSettings
from trainer.stopwatch import Stopwatch, show_in_process_name
from trainer.store import Store, connect


def run(settings: TrainerSettings) -> int:
    """Train whatever runs, until SIGTERM or SIGINT. Returns the exit status."""
    configure_logs("trainer", settings.log_level, settings.log_format)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    registry, stopwatch = CollectorRegistry(), Stopwatch(show_in_process_name)
    watch_disk(settings.data_root, registry)
    presence = Presence(Store(connect(settings.redis_url)), stopwatch)
    store = Store(connect(settings.redis_url))
    trainer = Trainer(settings, store, Meters(registry), presence, stopwatch, stopping)
    server = start_server(create_app(trainer, registry), settings, stopping)
    start_heartbeat(presence)
    trainer.run()
    return 0 if server.is_alive() else 1
