"""Room on the disk of checkpoints and policies, measured at every scrape."""

import shutil
from pathlib import Path

from contracts import metrics
from prometheus_client import CollectorRegistry, Gauge


def watch_disk(data_root: Path, registry: CollectorRegistry) -> None:
    """Free and whole size of the file system of `data_root`, bytes; NaN before the first job made the directory."""

    def usage(field: str) -> float:
        try:
            return float(getattr(shutil.disk_usage(data_root), field))
        except OSError:
            return float("nan")

    free = Gauge(metrics.DATA_FREE_BYTES, "Free space where checkpoints and policies lie.", registry=registry)
    size = Gauge(metrics.DATA_SIZE_BYTES, "Size of the file system of checkpoints and policies.", registry=registry)
    free.set_function(lambda: usage("free"))
    size.set_function(lambda: usage("total"))
