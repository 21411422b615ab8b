"""Requests without end, while something happens to those who answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

import httpx

from tests.running import until


class Load:
    """Calls *ask* again and again while it is entered, and keeps what did not answer as it should.

    Args:
        ask: Sends one request; an assertion that fails, or an error of the connection, is kept.
        threads: How many ask at the same time.
        pause_s: Pause of each between two requests: others want the machine's cores, too.
    """

    def __init__(self, ask: Callable[[], None], *, threads: int = 3, pause_s: float = 0) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._ask = ask
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def await_more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        goal = self.answered + count
        until(lambda: self.answered >= goal)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                self._ask()
                self.answered += 1
            except (AssertionError, httpx.HTTPError) as error:
                self.failed.append(f"{error!r}")
