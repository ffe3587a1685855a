"""python -m trainer"""

from servicekit.settings import parse_settings

from trainer.app import run
from trainer.launch import Launch
from trainer.settings import TrainerSettings

PURPOSE = "Turns complete batches of episodes into new policy versions, and proves that the student engine serves them."


def main() -> int:
    """Read the settings and, under torchrun, this process's place; then run."""
    return run(parse_settings(TrainerSettings, "trainer", PURPOSE), Launch())


if __name__ == "__main__":
    raise SystemExit(main())
