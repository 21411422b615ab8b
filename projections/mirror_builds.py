"""Copies of mirrors that are built beside those that answer, each by a process of its own, a few at a time."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import Final

import msgspec

from core.parent_death import dying_with_us
from projections.mirror_build import BuildOrder

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Builds at the same time: each reads a whole topic."""

RETRY_S: Final = 5.0
"""Pause before a build that has failed is tried again."""

STOP_TIMEOUT_S: Final = 5.0
"""Time that a build gets to close its store, so that the next one can continue it."""


class MirrorBuilds:
    """Runs the builds that are wanted. To be used by one thread: the processes end with it."""

    def __init__(self) -> None:
        self._wanted: dict[str, BuildOrder] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._not_before: dict[str, float] = {}

    def want(self, order: BuildOrder) -> None:
        """Build *order*; one that is built for the same topic must have been given up before."""
        self._wanted[order.topic] = order

    def give_up(self, topic: str) -> None:
        """End the build of a topic, if there is one."""
        self._wanted.pop(topic, None)
        self._not_before.pop(topic, None)
        process = self._running.pop(topic, None)
        if process is not None:
            process.kill()  # What it has built is given up too.
            process.wait()

    def finished(self) -> list[BuildOrder]:
        """Start what is wanted and has room; return the orders that were carried out since the last call."""
        done = [order for topic, order in list(self._wanted.items()) if self._has_finished(topic)]
        for topic, order in self._wanted.items():
            if len(self._running) >= AT_ONCE:
                break
            if topic not in self._running and time.monotonic() >= self._not_before.get(topic, 0):
                self._running[topic] = _started(order)
        return done

    def close(self) -> None:
        """End all builds; they continue where they were when they are wanted again."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _has_finished(self, topic: str) -> bool:
        process = self._running.get(topic)
        if process is None or process.poll() is None:
            return False
        del self._running[topic]
        if process.returncode == 0:
            del self._wanted[topic]
            return True
        logger.warning("the new copy of the mirror of %s could not be built; it is tried again", topic)
        self._not_before[topic] = time.monotonic() + RETRY_S
        return False


def _started(order: BuildOrder) -> subprocess.Popen[bytes]:
    logger.info("a new copy of the mirror of %s is being built", order.topic)
    arguments = [sys.executable, "-m", "projections.mirror_build", msgspec.json.encode(order).decode()]
    return subprocess.Popen(dying_with_us(arguments), stdin=subprocess.DEVNULL)  # noqa: S603 - ours
