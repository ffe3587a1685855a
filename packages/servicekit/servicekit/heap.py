"""What was loaded once and stays need not be looked at by the garbage collector again and again."""

import gc


def settle_heap() -> None:
    """Let the collector pass over everything that is there now. Blocks for one full collection."""
    gc.collect()
    gc.freeze()
