"""The cycle collector of processes that fold."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """Let the cycle collector look seldom: a fold makes and drops objects by ten thousands, and none of them in cycles.

    Measured: 20 % of the time of a fold.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
