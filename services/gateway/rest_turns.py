"""Turns: how many calls a host is sent at the same time, so that a slow one leaves threads to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.errors import BusyError

PATIENCE_S: Final = 0.1
"""How long a call waits for its turn; with a host whose calls all last longer already, no call waits."""


class Turns:
    """Gives turns to calls, by host. Safe to use from several threads.

    Args:
        limit: Calls to one host at the same time.
        patience_s: Longest wait for a turn.
    """

    def __init__(self, limit: int, patience_s: float = PATIENCE_S) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._begun: dict[str, list[float]] = {}

    @contextmanager
    def of(self, host: str) -> Iterator[None]:
        """Hold one turn of *host*.

        Raises:
            BusyError: All turns are taken.
        """
        began = self._take(host)
        try:
            yield
        finally:
            with self._changed:
                self._begun[host].remove(began)
                if not self._begun[host]:
                    del self._begun[host]
                self._changed.notify_all()

    def _take(self, host: str) -> float:
        gives_up = time.monotonic() + self._patience_s
        with self._changed:
            while len(running := self._begun.setdefault(host, [])) >= self._limit:
                now = time.monotonic()
                if now >= gives_up or now - running[-1] >= self._patience_s:
                    raise BusyError(
                        f"{self._limit} calls to the REST service are under way already. Repeat the request in a "
                        "moment; an operator can allow more with QUICK_REST_CALLS_PER_HOST."
                    )
                self._changed.wait(gives_up - now)
            began = time.monotonic()
            running.append(began)
            return began
