"""Episodes per second of 1 to 4 rollout workers, against what their engine can answer.

The stub engine takes a fixed time for an answer and makes so many at once; others wait in it. A worker has 32 episodes
in flight, which is a third of what keeps the engine busy. All workers are real processes that share one queue. Left
out: an engine whose answers take longer the more it makes, and machines of their own for workers.
"""

import argparse
import statistics

from rollout_stage import Stage, show, stage, stop
from rollouts import Board

ANSWER_SECONDS, GUIDANCE_SECONDS, AT_ONCE, IN_FLIGHT = 0.4, 0.1, 96, 32
ANSWERS_OF_AN_EPISODE, EPISODES_A_WORKER, GOAL = 2, 512, 0.9
LIMIT = AT_ONCE / ANSWER_SECONDS / ANSWERS_OF_AN_EPISODE


def measure(running: Stage, workers: int, rounds: int) -> float:
    """Episodes per second, the median of the rounds."""
    board = Board(running.redis_url, running.stub_url)
    processes = [running.worker(IN_FLIGHT) for _ in range(workers)]
    try:
        board.roll_out(1, workers * 4 * IN_FLIGHT)  # every worker loads the job
        episodes = workers * EPISODES_A_WORKER
        return statistics.median(episodes / board.roll_out(2 + number, episodes) for number in range(rounds))
    finally:
        stop(*processes)
        board.client.flushdb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    alone = IN_FLIGHT / (ANSWERS_OF_AN_EPISODE * ANSWER_SECONDS + GUIDANCE_SECONDS)
    ratios = []
    with stage(ANSWER_SECONDS, GUIDANCE_SECONDS, AT_ONCE) as running:
        for workers in options.workers:
            rate, most = measure(running, workers, options.rounds), min(LIMIT, workers * alone)
            ratios.append(rate / most)
            show(f"  {workers} workers: {rate:.1f} episodes/s of {most:.1f} possible (the engine: {LIMIT:.0f})")
    show(f"workers: ratio {min(ratios):.2f} (goal {GOAL}), against the smaller of the engine and the slots, the worst")


if __name__ == "__main__":
    main()
