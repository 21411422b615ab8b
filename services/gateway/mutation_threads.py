"""Threads for mutations alone: they wait for Kafka, and queries are answered also while that is slow or away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from core.errors import BusyError

T = TypeVar("T")

THREADS: Final = 8
"""Mutations that are executed at the same time in one process."""

MAX_WAITING: Final = 256
"""Mutations in execution or waiting for a thread."""


class MutationThreads:
    """Executes mutations. To be used in one event loop.

    Args:
        threads: How many at the same time.
        max_waiting: Mutations in execution or waiting at most.
    """

    def __init__(self, threads: int = THREADS, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._waiting = 0
        # Its threads start with the first mutation, so that it may be made before a fork.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mutations")

    async def run(self, work: Callable[[], T]) -> T:
        """Run *work* in a thread.

        Raises:
            BusyError: Too many wait.
        """
        if self._waiting >= self._max_waiting:
            raise BusyError(
                f"{self._waiting} mutations are already waiting. Nothing was written. Send this again in a moment."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads, after the mutations that are being executed."""
        self._pool.shutdown(cancel_futures=True)
