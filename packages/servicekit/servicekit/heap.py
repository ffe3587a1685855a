"""What was loaded once and stays need not be looked at by the garbage collector again and again."""

import gc

# Objects more than there were before the young ones are looked at. A request makes and drops thousands, nearly all of
# them outside any cycle: at Python's own 700 a service looks at them several times a request. Hundreds of requests in
# flight hold more than 20,000, each look at which took 10 ms.
YOUNG_OBJECTS = 50_000


def settle_heap() -> None:
    """Let the collector pass over everything that is there now. Blocks for one full collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
