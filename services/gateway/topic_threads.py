"""Threads in which an operation reads several topics at the same time, where each is asked of other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Final, NamedTuple

THREADS: Final = 32
"""Topics that are read at the same time in one process, beside those that operations read in their own threads."""


class Reading(NamedTuple):
    """Something that an operation reads."""

    topic: str | None
    """What is read of one topic is read one after the other. `None`: of none, for the operation's own thread."""
    read: Callable[[], Any]


class TopicThreads:
    """Reads for operations.

    Args:
        threads: How many at the same time.
    """

    def __init__(self, threads: int = THREADS) -> None:
        # Its threads start with the first reading, so that it may be made before a fork.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="topics")

    def read(self, readings: Sequence[Reading]) -> list[Any]:
        """Return what each of *readings* gives, in their order; blocks until all have ended, and raises what one has.

        The first topic is read in this thread, which would only wait otherwise.
        """
        places: dict[str | None, list[int]] = {}
        for place, reading in enumerate(readings):
            places.setdefault(reading.topic, []).append(place)
        found: list[Any] = [None] * len(readings)

        def take(taken: list[int]) -> None:
            for place in taken:
                found[place] = readings[place].read()

        own, others = places.pop(None, []), list(places.values())
        futures = [self._pool.submit(take, taken) for taken in others[1:]]
        try:
            take([*(others[0] if others else ()), *own])
        finally:
            wait(futures)  # Whoever ends an operation ends what it reads from.
        for future in futures:
            future.result()
        return found

    def close(self) -> None:
        """End the threads, after what is being read."""
        self._pool.shutdown(cancel_futures=True)
