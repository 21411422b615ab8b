"""A whole mirror of which this process holds a share: what is not held here is asked of other replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry
from projections.mirrors import MirrorView
from projections.pages import Page, Placed
from projections.windows import WHOLE, Window
from services.remote_moments import RemoteMoment
from services.split_moments import SplitMoment


class WholeMirror:
    """Implements `services.mirrors.answering.AnsweringMirror`; each answer blocks.

    Args:
        here: What this process holds.
        moment: Returns what one answer reads of replicas, this one among them.
        note_asked: Called before others are asked.
    """

    def __init__(
        self, here: MirrorView, moment: Callable[[], RemoteMoment | SplitMoment], note_asked: Callable[[], None]
    ) -> None:
        self._here = here
        self._open = moment
        self._note_asked = note_asked

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none."""
        return self._here.value(key) if self._holds([key]) else self._moment().value(key)

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` for none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        mirror = self._here if self._holds(keys) else self._moment()
        return mirror.get_many(keys, max_bytes=max_bytes)

    def all(self) -> Iterator[Entry]:
        """Return all entries by key."""
        return chain.from_iterable(self._moment().pages())

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key."""
        return self._moment().page(window)

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the history of a key within bounds of the range field."""
        return self._moment().range(key, bounds, window, declared=declared)

    def find(
        self, field: str, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> Page:
        """Return the entries whose field lies within bounds; see `MirrorMoment.find`."""
        moment, limit = self._moment(), window.limit
        rows: list[Placed] = []
        while True:
            more = window if limit is None else window.at_most(limit + 1 - len(rows))
            page = moment.found(field, [bounds], more, declared=declared)
            rows += page.rows
            if page.next is None or (limit is not None and len(rows) > limit):
                break
            window = window.behind(page.next)
        following = rows[limit - 1].place if limit is not None and len(rows) > limit else None
        return Page([row.entry for row in rows[:limit]], following)

    def _holds(self, keys: Sequence[bytes]) -> bool:
        share = self._here.share()
        return share is None or all(share.holds(keys))

    def _moment(self) -> RemoteMoment | SplitMoment:
        self._note_asked()
        return self._open()
