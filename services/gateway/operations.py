"""What the fields of one operation share while it is executed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Any, Final

from graphql import FieldNode

from core.errors import UnavailableError
from core.position import Position
from services.gateway.mirrors import MirrorReading
from services.gateway.sources import Arguments
from services.gateway.topic_threads import Reading, TopicThreads

DEFAULT_TIMEOUT_S: Final = 30.0
"""How long an operation may take."""

NOTHING_KNOWN: Final = object()


class RunningOperation:
    """One operation; implements `services.gateway.sources.Operation`. Used by one thread at a time.

    While it `read`s, threads may use what it reads from, each that of another topic.

    Args:
        reading: What it reads of mirrors.
        timeout_s: How long it may take from now on; `None` for as long as it wants.
        threads: In which topics are read at the same time; without them they are read one after the other.
    """

    __slots__ = (
        "_deadline",
        "_fetched",
        "_known",
        "_threads",
        "_timeout_s",
        "forwarded",
        "positions",
        "reading",
        "shared",
    )

    def __init__(
        self,
        reading: MirrorReading,
        timeout_s: float | None = DEFAULT_TIMEOUT_S,
        threads: TopicThreads | None = None,
    ) -> None:
        self.reading = reading
        self._threads = threads
        self.forwarded: dict[str | int, Arguments] = {}
        """The arguments of each field of `Query`, by its name in the answer, where fields below may need them."""
        self.positions: dict[str, str] = {}
        """By the name of a topic, the position up to which the operation has written to it."""
        self.shared: dict[tuple[int, str | int], Any] = {}
        """What sources gave that are asked once for all parents, by the field's node and its root."""
        self._timeout_s = timeout_s
        self._deadline = inf if timeout_s is None else time.monotonic() + timeout_s
        self._fetched: list[tuple[FieldNode, str | int, Sequence[Any], Sequence[Any]]] = []
        self._known: dict[tuple[int, str | int, int], Any] = {}

    def check_time(self) -> None:
        """Go on, unless the operation has used up its time.

        Raises:
            UnavailableError: It has.
        """
        if time.monotonic() > self._deadline:
            raise UnavailableError(
                f"The operation was not done after {self._timeout_s:g} seconds and was ended. Ask for less at once."
            )

    def read(self, readings: Sequence[Reading]) -> list[Any]:
        """Return what each of *readings* gives, in their order."""
        if self._threads is None or len(readings) == 1:
            return [reading.read() for reading in readings]
        return self._threads.read(readings)

    def note_written(self, topic: str, position: str) -> None:
        """Remember that the operation has written up to *position*, and to what it has written before."""
        earlier = self.positions.get(topic)
        if earlier is not None:
            position = Position.parse(earlier).joined(Position.parse(position)).token()
        self.positions[topic] = position

    def note_fetched(self, node: FieldNode, root: str | int, parents: Sequence[Any], values: Sequence[Any]) -> None:
        """Remember what a source gave for the field *node* below the field *root* of the operation.

        Whoever executes the rest of the operation in another way does not ask the source again.
        """
        self._fetched.append((node, root, parents, values))

    def recall(self) -> None:
        """Make ready for `known`."""
        for node, root, parents, values in self._fetched:
            for parent, value in zip(parents, values, strict=False):
                self._known[id(node), root, id(parent)] = value

    def known(self, node: FieldNode, root: str | int, parent: Any) -> Any:
        """Return what was fetched for a field of *parent*, `NOTHING_KNOWN` where it was not, or before `recall`.

        Parents are told apart as objects: they live as long as the operation remembers them.
        """
        return self._known.get((id(node), root, id(parent)), NOTHING_KNOWN) if self._known else NOTHING_KNOWN
