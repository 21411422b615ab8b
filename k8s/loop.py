"""When the cluster is compared: at the start, after each change of the log or of our objects, and every few minutes.

What made a round necessary does not matter to it: each compares everything. Rounds that find something left to do are
repeated, at intervals that double while nothing moves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.errors import QuickError
from k8s.cluster import selector
from k8s.outcomes import Outcome, State
from k8s.reconcile import Reconciler
from k8s.watches import Watches
from projections.reconciler import LeadershipLostError

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.2
"""How often the election is looked at."""

VERSION_LOOK_S: Final = 0.02
"""How often the registry is looked at: another process writes it, so looking, which takes microseconds, is all that can
be done."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often rounds are made, in seconds."""

    every_s: float = 180.0
    """When nothing has happened."""
    shortest_s: float = 0.2
    """Between two rounds, whatever happens; at least as long as the last one took."""
    retry_s: float = 1.0
    """When something is left to do; doubles while nothing moves."""
    longest_retry_s: float = 60.0
    """Up to this."""


class Loop:
    """Makes rounds while this process leads.

    Args:
        reconciler: Makes one round.
        version: Returns a number that changes with each change of what is declared.
        leads: Returns whether this process leads.
        tell: Takes each outcome, and returns whether it was told; if not, there is soon another round.
        pace: How often.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        version: Callable[[], int],
        leads: Callable[[], bool],
        tell: Callable[[Outcome], bool],
        pace: Pace = Pace(),
    ) -> None:
        self.stopping = threading.Event()
        self._reconciler = reconciler
        self._version = version
        self._leads = leads
        self._tell = tell
        self._pace = pace
        self._changed = threading.Event()
        self._watches = Watches(reconciler.client, self._changed, self.stopping)
        self._seen_version: int | None = None
        self._last: Outcome | None = None
        self._retry_s = pace.retry_s
        self._due = 0.0
        self._earliest = 0.0

    def run(self) -> None:
        """Work until `stop` is called."""
        while not self.stopping.is_set():
            self._wait_for_news()
            if not self._leads():
                self._changed.clear()
                self._due, self._last = 0.0, None
                self.stopping.wait(LOOK_S)
            elif self._is_due():
                self._changed.clear()
                self._round()
            elif self._has_news():
                # It is too early for what has changed.
                self.stopping.wait(min(LOOK_S, max(0.0, self._earliest - time.monotonic())))

    def stop(self) -> None:
        """Let the loop end after the round that is under way."""
        self._watches.stop()
        self._changed.set()

    def _wait_for_news(self) -> None:
        """Wait until something has changed, but no longer than the election may be left alone."""
        end = time.monotonic() + LOOK_S
        while not self._has_news() and time.monotonic() < end:
            self._changed.wait(VERSION_LOOK_S)

    def _has_news(self) -> bool:
        return self._changed.is_set() or self._version() != self._seen_version

    def _is_due(self) -> bool:
        now = time.monotonic()
        return now >= self._earliest and (self._has_news() or now >= self._due)

    def _round(self) -> None:
        started = time.monotonic()
        self._seen_version = self._version()  # Before the round: what changes in it is looked at in the next one.
        try:
            outcome = self._reconciler.reconcile()
        except LeadershipLostError:
            logger.info("another process reconciles the cluster now")
            self._due, self._last = 0.0, None
            return
        except QuickError as error:
            logger.error("the cluster cannot be reconciled: %s", error)
            outcome = Outcome(position=0, results=(), problems=(str(error),))
        now = time.monotonic()
        self._plan(outcome, now, took_s=now - started)
        if outcome.unavailable is None:
            self._watches.go_on(self._reconciler.moments, selector(self._reconciler.instance))
        _log(outcome, self._last)
        self._last = outcome
        if not self._tell(outcome):
            self._due = min(self._due, time.monotonic() + self._pace.retry_s)

    def _plan(self, outcome: Outcome, now: float, took_s: float) -> None:
        """Decide when the next round is."""
        has_moved = self._last is None or outcome.results != self._last.results
        if outcome.is_settled or (has_moved and outcome.unavailable is None):
            self._retry_s = self._pace.retry_s
        else:
            self._retry_s = min(2 * self._retry_s, self._pace.longest_retry_s)
        self._due = now + (self._pace.every_s if outcome.is_settled else self._retry_s)
        # An API server that is away is left alone, whatever changes meanwhile.
        shortest_s = max(self._pace.shortest_s, took_s)
        self._earliest = now + (shortest_s if outcome.unavailable is None else self._retry_s)


def _log(outcome: Outcome, before: Outcome | None) -> None:
    """Say what was done, and what is wrong when it was not so before."""
    for result in outcome.of(State.APPLIED, State.DELETED):
        logger.info("%s %s for command %s", result.state.value, result.ref, outcome.position)
        for drift in result.drifts:
            logger.warning("%s was changed by others, and that was reverted: %s", result.ref, drift)
    known = set() if before is None else {*before.troubles(), *before.notes()}
    for text in outcome.troubles():
        if text not in known:
            logger.warning("%s", text)
    for text in outcome.notes():
        if text not in known:
            logger.info("%s", text)
