"""Wiring: the training loop in the main thread, health and metrics beside it; or, under a leader, whatever it says."""

import signal
import threading

import structlog
import torch
from prometheus_client import CollectorRegistry
from servicekit.ending import ENDING_SIGNALS, asked_to_end
from servicekit.logs import configure_logs

from trainer.crew import Crew, join_crew
from trainer.disk import watch_disk
from trainer.failures import RankLost
from trainer.followers import Follower
from trainer.heartbeat import Presence, start_heartbeat
from trainer.jobs import Trainer
from trainer.launch import Launch
from trainer.meters import Meters
from trainer.routes import create_app, start_server
from trainer.settings import TrainerSettings
from trainer.stopwatch import Stopwatch, show_in_process_name
from trainer.store import Store, connect

log = structlog.get_logger()


def run(settings: TrainerSettings, launch: Launch | None = None) -> int:
    """Train whatever runs, until SIGTERM or SIGINT. Returns the exit status: 1 when another process was lost."""
    launch = launch or Launch(rank=0, local_rank=0, world_size=1)
    configure_logs("trainer", settings.log_level, settings.log_format)
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(settings.threads)
    # On a GPU the deterministic products need a larger workspace and time; there the bits are not promised.
    torch.use_deterministic_algorithms(device == "cpu")
    try:
        crew = join_crew(launch, device, settings.rank_wait_seconds)
        return lead(settings, crew) if crew.leads else follow(settings, crew)
    except RankLost as error:
        log.error(
            "rank_lost", rank=launch.rank, error=str(error), next="all end; a restart goes on from the checkpoint"
        )
        return 1


def lead(settings: TrainerSettings, crew: Crew) -> int:
    """Read the stream, train, write and publish. Raises RankLost."""
    stopping = asked_to_end()
    registry, stopwatch = CollectorRegistry(), Stopwatch(show_in_process_name)
    watch_disk(settings.data_root, registry)
    presence = Presence(Store(connect(settings.redis_url)), stopwatch)
    store = Store(connect(settings.redis_url))
    trainer = Trainer(settings, crew, store, Meters(registry), presence, stopwatch, stopping)
    server = start_server(create_app(trainer, registry), settings, stopping)
    start_heartbeat(presence)
    if crew.several:
        threading.Thread(target=crew.pulse, args=(stopping,), name="pulse", daemon=True).start()
    trainer.run()
    crew.dismiss()
    return 0 if server.is_alive() else 1


def follow(settings: TrainerSettings, crew: Crew) -> int:
    """Work under the leader, who alone hears the signals. Raises RankLost."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    Follower(settings, crew).follow()
    return 0
