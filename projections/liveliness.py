"""Whether the parts of the projector process get on: each notes when it last did, and a sign of life tells."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Final

from core.signs_of_life import PROJECTOR, Sign

STALLED_S: Final = 120.0
"""How long a part may be at one thing. Kafka may let it wait for some seconds, the removal of a large mirror longer."""


class Liveliness:
    """Makes the signs of life of this process."""

    def __init__(self) -> None:
        self._turned: dict[str, Callable[[], float]] = {}
        self.has_started = False
        """Whether the command log was folded up to where it ended."""
        self.waits_for: Callable[[], list[str]] = list
        """Tells why the process is not ready."""

    def watch(self, part: str, turned_at: Callable[[], float]) -> None:
        """Let a part be watched; *turned_at* tells when it last got on, on the monotonic clock."""
        self._turned[part] = turned_at

    def sign(self) -> Sign:
        """Return a sign of life."""
        waits_for = self.waits_for() if self.has_started else ["The command log is being folded."]
        return Sign(
            name=PROJECTOR,
            pid=os.getpid(),
            has_started=self.has_started,
            waits_for=waits_for,
            stalled=self._stalled(),
        )

    def _stalled(self) -> list[str]:
        oldest = time.monotonic() - STALLED_S
        return [
            f"The part {part} of the projector has not got on for {STALLED_S:g} s."
            for part, turned_at in list(self._turned.items())
            if turned_at() < oldest
        ]


class Turns:
    """When a part that turns in a loop last began a turn."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def note(self) -> None:
        """Note that a turn begins."""
        self._at = time.monotonic()

    def rest(self) -> None:
        """Note that no other turn comes, on purpose."""
        self._at = math.inf

    def at(self) -> float:
        """Return when the last turn began."""
        return self._at
