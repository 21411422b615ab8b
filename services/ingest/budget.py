"""How much an ingest worker may have at work: what comes beyond is told to come again, so that memory is bounded.

What is under way costs memory for as long as Kafka has not acknowledged it. When Kafka is slow or away, requests pile
up to this bound and no further.
"""

from __future__ import annotations

from typing import Final, Self

from core.errors import BusyError

WORKER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of bodies that one worker has at work; decoded they take several times as much."""

SMALLEST_CHARGE_BYTES: Final = 2 * 1024
"""What the smallest request costs while it waits."""


class Budget:
    """Bytes that are at work. To be used in one event loop."""

    def __init__(self, limit_bytes: int = WORKER_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self.used_bytes = 0

    def take(self, size: int) -> Share:
        """Return a share of *size* bytes, to be given back by leaving its `with`.

        Raises:
            BusyError: There is not so much left. One request alone is always let in.
        """
        share = Share(self)
        share.grow(max(size, SMALLEST_CHARGE_BYTES))
        return share

    def charge(self, size: int) -> None:
        """Note *size* bytes more at work; a share is what takes them and gives them back.

        Raises:
            BusyError: There is not so much left.
        """
        if self.used_bytes and self.used_bytes + size > self._limit_bytes:
            raise BusyError(
                f"{self.used_bytes} bytes wait for Kafka to acknowledge them, which is as much as may wait."
                " Nothing was written. Send this again soon, or send less at a time."
            )
        self.used_bytes += size


class Share:
    """What one request has taken of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def grow(self, size: int) -> None:
        """Take *size* bytes more.

        Raises:
            BusyError: There is not so much left; what was taken before is kept.
        """
        self._budget.charge(size)
        self._size += size

    def __enter__(self) -> Self:
        """Return this share."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what was taken."""
        self.give_back()

    def give_back(self) -> None:
        """Give back what was taken."""
        self._budget.used_bytes -= self._size
        self._size = 0
