"""Lets threads wait for how far this process has folded the log: each is woken when its turn has come, and not before.

Many writers wait at the same time, and a fold decides a few of their records. To wake all of them each time would cost
more than the folds do.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class _Waiter(NamedTuple):
    offset: int
    turn: threading.Event


class FoldProgress:
    """How far this process has folded; one thread moves it, any number wait."""

    def __init__(self) -> None:
        self.next_offset = 0
        """All records below it are decided, as far as this process has folded them itself."""
        self.count = 0
        """How often something has happened: a fold, a stand-still, an end."""
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._happened = threading.Condition(self._lock)

    def move(self, next_offset: int) -> None:
        """Note that all records below *next_offset* are decided, and wake who waits for one of them."""
        with self._lock:
            self.next_offset = next_offset
            ready = [waiter for waiter in self._waiters if waiter.offset < next_offset]
            if ready:
                self._waiters = [waiter for waiter in self._waiters if waiter.offset >= next_offset]
            self._happens()
        for waiter in ready:
            waiter.turn.set()

    def wake_all(self) -> None:
        """Wake everybody: something else has happened than a fold, and each is to look what."""
        with self._lock:
            woken, self._waiters = self._waiters, []
            self._happens()
        for waiter in woken:
            waiter.turn.set()

    def wait_for_offset(self, offset: int, timeout_s: float) -> None:
        """Sleep until the record at *offset* is decided here, something else happens, or *timeout_s* has passed."""
        waiter = _Waiter(offset, threading.Event())
        with self._lock:
            if self.next_offset > offset:
                return
            self._waiters.append(waiter)
        if not waiter.turn.wait(timeout_s):
            with self._lock:
                self._waiters = [other for other in self._waiters if other is not waiter]

    def wait_for_change(self, count: int, timeout_s: float) -> None:
        """Sleep until `count` is no longer *count*, or *timeout_s* has passed."""
        with self._lock:
            if self.count == count:
                self._happened.wait(timeout_s)

    def _happens(self) -> None:
        self.count += 1
        self._happened.notify_all()
