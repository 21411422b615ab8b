"""How a worker process is: what it tells the process that supervises it, which answers on the management port."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from core.errors import QuickError
from core.signs_of_life import WEB, Sign, SignReporter, SignSender
from services.health import degradations
from services.metrics import metrics_text
from services.worker import Worker

LOOP_TIMEOUT_S: Final = 5.0
"""How long the event loop may keep a question waiting before the worker is taken not to be ready."""

STALLED_S: Final = 60.0
"""After how long that keeps on a worker is better started again."""


class Vitals:
    """Makes the signs of life of a worker.

    Args:
        worker: The process-wide parts.
        waits_for: Tells why what the process is there for cannot be served yet, or raises it.
        troubles: Tells what does not work although it is served.
    """

    def __init__(self, worker: Worker, waits_for: Callable[[], str | None], troubles: Callable[[], list[str]]) -> None:
        self._worker = worker
        self._waits_for = waits_for
        self._troubles = troubles
        self._has_started = False
        self._answered_at = time.monotonic()
        self._reporter: SignReporter | None = None

    def reporting(self, sender: SignSender) -> Callable[[], None]:
        """Return what begins the reports; to be called after the fork."""

        def begin() -> None:
            self._reporter = SignReporter(sender, self.sign)
            self._reporter.start()

        return begin

    def close(self) -> None:
        """End the reports."""
        if self._reporter is not None:
            self._reporter.close()

    def sign(self) -> Sign:
        """Return a sign of life; blocks, so it is made in a thread of its own."""
        problems, failure = self._degradations()
        self._has_started = self._has_started or failure is None or self._serves_earlier_views()
        return Sign(
            name=WEB,
            pid=os.getpid(),
            has_started=self._has_started,
            waits_for=self._reasons(failure),
            problems=problems,
            stalled=self._stalled(),
            metrics=self._metrics(),
        )

    def _degradations(self) -> tuple[list[str], str | None]:
        """Return what does not work, and why the log or the registry cannot be used, `None` when they can."""
        loop = self._worker.loop
        if loop is None:
            return [], "The worker is being started."
        asked = asyncio.run_coroutine_threadsafe(degradations(self._worker), loop)
        try:
            problems = [*asked.result(LOOP_TIMEOUT_S), *self._troubles()]
        except FutureTimeoutError:
            asked.cancel()
            return [], "The worker is too busy to answer."
        except QuickError as error:
            self._answered_at = time.monotonic()
            return [], str(error)
        self._answered_at = time.monotonic()
        return problems, None

    def _reasons(self, failure: str | None) -> list[str]:
        if not self._has_started or time.monotonic() - self._answered_at >= LOOP_TIMEOUT_S:
            return [failure or "The worker is being started."]
        try:
            reason = self._waits_for()
        except QuickError as error:
            return [str(error)]
        return [] if reason is None else [reason]

    def _stalled(self) -> list[str]:
        if time.monotonic() - self._answered_at < STALLED_S:
            return []
        return [f"The event loop of the worker has not got on for {STALLED_S:g} s."]

    def _serves_earlier_views(self) -> bool:
        """Return whether what an earlier run has folded is served while the log cannot be read now."""
        try:
            return self._worker.has_failed_to_open and self._worker.views.registry.position() > 0
        except QuickError:
            return False

    def _metrics(self) -> str:
        try:
            return metrics_text(self._worker)
        except QuickError:
            return ""
