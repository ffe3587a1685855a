"""The disk that is watched is that of the checkpoints."""

import math
import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry
from trainer.disk import watch_disk


def test_room_is_told_once_there_is_a_directory(tmp_path: Path) -> None:
    registry, later = CollectorRegistry(), tmp_path / "data"
    watch_disk(later, registry)
    assert math.isnan(registry.get_sample_value("socratic_data_free_bytes") or 0.0)
    later.mkdir()
    assert registry.get_sample_value("socratic_data_size_bytes") == shutil.disk_usage(tmp_path).total
    assert (registry.get_sample_value("socratic_data_free_bytes") or 0.0) > 0
