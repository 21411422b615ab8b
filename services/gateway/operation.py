"""What the fields of one operation share while it is executed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from core.errors import UnavailableError
from core.position import Position

TIMEOUT_S: Final = 30.0
"""Longest execution of one operation; what is under way then comes to its end, and nothing more is begun."""


class GatewayOperation:
    """The operation that is being executed; implements `services.gateway.sources.Operation`. For one thread.

    Args:
        timeout_s: How long it may take, in seconds.

    Attributes:
        forwarded: The arguments of each field of `Query`, by its name in the answer.
        called: What REST services have answered, by the place of the selection that asks.
        positions: By the name of a topic, the position up to which the operation has written to it.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self.forwarded: dict[str | int, Mapping[str, Any]] = {}
        self.called: dict[str, Any] = {}
        self.positions: dict[str, str] = {}

    def check_time(self) -> None:
        """Go on, unless the operation has used up its time.

        Raises:
            UnavailableError: It has.
        """
        if time.monotonic() > self._deadline:
            raise UnavailableError(
                f"The operation has taken longer than {self._timeout_s:g} s; this field was not begun."
                " Ask for less in one operation, or repeat it later."
            )

    def note_written(self, topic: str, position: str) -> None:
        """Remember that the operation has written up to *position*, and to what it has written before."""
        earlier = self.positions.get(topic)
        if earlier is not None:
            position = Position.parse(earlier).joined(Position.parse(position)).token()
        self.positions[topic] = position
