"""Mirrors whose keys are shared out among replicas, read as if they were whole.

Each part (`core.mirror_shares`) is asked of one of the replicas that hold it. Keys are asked of their parts; rows of
all parts are merged in their order, up to where the first of the parts has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from core.mirror_shares import part_of
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.index_rows import place_in_index
from projections.mirror_entries import Entry, key_tail
from projections.mirror_moment import too_large
from projections.pages import Page, Placed, PlacedPage
from projections.windows import WHOLE, Window
from services.remote_moments import PAGE_ROWS, AskedMoment, RemoteMoment

Rank = Callable[[bytes], Any]
"""Returns what places are ordered by."""


class SplitMoment(AskedMoment):
    """What one operation reads of a topic whose keys are shared out. Not for two threads at a time.

    Args:
        parts: What it reads of each part, in the order of their numbers.
        declared: What the mirror is declared to keep.
    """

    def __init__(self, parts: Sequence[RemoteMoment], declared: MirrorDefinition | None) -> None:
        self._parts = parts
        self._has_range_key = declared is not None and declared.range_key is not None

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none."""
        return self._part(key).value(key)

    def values(self, keys: Sequence[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys* in their order."""
        return iter(self._dealt(list(keys), lambda part, keys: list(part.values(keys))))

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` for none."""
        return self._part(key).get(key)

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        entries = self._dealt(list(keys), lambda part, keys: part.get_many(keys))
        if max_bytes is not None and sum(len(entry.value) for entry in entries if entry is not None) > max_bytes:
            raise too_large(len(keys), max_bytes)
        return entries

    def pages(self) -> Iterator[list[Entry]]:
        """Yield all entries by key, some at a time."""
        window: Window | None = Window(limit=-(-PAGE_ROWS // len(self._parts)))
        while window is not None:
            rows, following = merged(self._by_key(window), window.reverse, bytes)
            yield [row.entry for row in rows]
            window = None if following is None else window.behind(following)

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key."""
        rows, following = _cut(merged(self._by_key(window), window.reverse, bytes), window.limit)
        return Page([row.entry for row in rows], following)

    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return some of what `range` does, with places."""
        if not self._has_range_key:
            return self._part(key).ranged(key, bounds, window, declared=declared)
        # Records of different keys have one owner, and the later one of those with one value of the field counts.
        pages = [part.ranged(key, bounds, window, declared=declared) for part in self._parts]
        return _cut(merged(pages, window.reverse, bytes), window.limit)

    def found(
        self, field: str, parts: Sequence[Bounds], window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return entries whose value has a field within one of *parts*, with places."""
        pages = [part.found(field, parts, window, declared=declared) for part in self._parts]
        return _cut(merged(pages, window.reverse, lambda place: place_in_index(field, place)), window.limit)

    def _part(self, key: bytes) -> RemoteMoment:
        return self._parts[part_of(key, len(self._parts))]

    def _by_key(self, window: Window) -> list[PlacedPage]:
        pages = [part.page(window) for part in self._parts]
        return [PlacedPage([Placed(key_tail(entry.key), entry) for entry in page.entries], page.next) for page in pages]

    def _dealt(self, keys: list[bytes], read: Callable[[RemoteMoment, list[bytes]], list[Any]]) -> list[Any]:
        """Return what each part answers about its keys, in the order of *keys*."""
        dealt: dict[int, list[int]] = {}
        for at, key in enumerate(keys):
            dealt.setdefault(part_of(key, len(self._parts)), []).append(at)
        found: list[Any] = [None] * len(keys)
        for number, places in dealt.items():
            answers = read(self._parts[number], [keys[at] for at in places])
            for at, answer in zip(places, answers, strict=True):
                found[at] = answer
        return found


def merged(pages: Iterable[PlacedPage], reverse: bool, rank: Rank) -> PlacedPage:  # noqa: FBT001 - a direction
    """Return the rows of several parts in their order, up to where all of the parts were read.

    Of rows at one place, which are those of a range with a range key, the later one counts.
    """
    pages = list(pages)
    ranked = [(rank(row.place), row) for page in pages for row in page.rows]
    ranked.sort(key=itemgetter(0), reverse=reverse)
    ends = [page.next for page in pages if page.next is not None]
    end = None if not ends else max(ends, key=rank) if reverse else min(ends, key=rank)
    if end is not None:
        last = rank(end)
        ranked = [(at, row) for at, row in ranked if (at >= last if reverse else at <= last)]
    groups = groupby(ranked, key=itemgetter(0))
    return PlacedPage([max((row for _, row in group), key=_time_and_partition) for _, group in groups], end)


def _cut(page: PlacedPage, limit: int | None) -> PlacedPage:
    if limit is None or len(page.rows) <= limit:
        return page
    rows = page.rows[:limit]
    return PlacedPage(rows, rows[-1].place)


def _time_and_partition(row: Placed) -> tuple[int, int]:
    return row.entry.timestamp_ms, row.entry.partition
