"""What one operation reads of a mirror that other processes hold, or of a part of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from core.errors import InvalidInputError, TooLargeError, UnavailableError
from core.mirror_shares import Part
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry
from projections.mirror_moment import too_large
from projections.pages import Page, PlacedPage
from projections.windows import WHOLE, Window
from services.holder_client import HolderAnswer
from services.mirrors.entry_frames import MEDIA_TYPE, decode_entries, encode_keys
from services.mirrors.freshness import AT_LEAST_HEADER, POSITION_HEADER
from services.mirrors.keys import MAX_KEYS
from services.mirrors.row_frames import decode_rows
from services.mirrors.rows import IndexBody, RangeBody, RowsBody
from services.mirrors.values import MAX_ANSWER_BYTES
from services.topic_access import TopicAccess

PAGE_ROWS: Final = 5_000
"""Rows of one page of a whole topic at most; a page also ends where it has many bytes."""


class Asking(Protocol):
    """Asks replicas, see `services.remote_mirrors.RemoteMirrors.ask`."""

    def ask(
        self,
        access: TopicAccess,
        what: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: float,
        preferred: str | None = None,
        part: Part | None = None,
    ) -> tuple[HolderAnswer, str]:
        """Return the answer, and the address of who gave it."""


class _NothingOpen:
    """For a `with` that holds nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: each answer was whole."""


class AskedMoment(_NothingOpen, ABC):
    """A moment whose answers come from other processes."""

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the records of a key within bounds of the range field, in its order.

        Raises:
            TooLargeError: They have more bytes than an operation may be given.
        """
        return whole_range(lambda window: self.ranged(key, bounds, window, declared=declared), window)

    @abstractmethod
    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return some of what `range` does, with places."""


class RemoteMoment(AskedMoment):
    """What one operation reads of a topic: never older than what it has read before. Not for two threads at a time.

    Args:
        mirrors: Asks replicas.
        access: The topic.
        at_least: The position that answers are to include.
        deadline: Until when, on the monotonic clock.
        part: Which part of the keys, `None` for all of them.
    """

    def __init__(
        self, mirrors: Asking, access: TopicAccess, at_least: str | None, *, deadline: float, part: Part | None = None
    ) -> None:
        self._mirrors = mirrors
        self._access = access
        self._part = part
        self._at_least = at_least
        self._deadline = deadline
        self._holder: str | None = None

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none."""
        return next(iter(self.values([key])))

    def values(self, keys: Sequence[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys* in their order."""
        asked = list(keys)
        for start in range(0, len(asked), MAX_KEYS):
            yield from self._values(asked[start : start + MAX_KEYS])

    def _values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        answer = self._ask("mirror/batch", encode_keys(keys), MEDIA_TYPE)
        try:
            found = decode_entries(answer.body)
        except InvalidInputError as error:
            raise _unusable(self._access, str(error)) from error
        if len(found) != len(keys):
            raise _unusable(self._access, f"It has {len(found)} entries for {len(keys)} keys.")
        return [None if entry is None else entry.value for entry in found]

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` for none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys* in their order.

        Raises:
            TooLargeError: The values together have more than *max_bytes*.
        """
        found = {row.entry.key: row.entry for row in self._rows(RowsBody(keys=list(keys))).rows}
        if max_bytes is not None and sum(len(found[key].value) for key in keys if key in found) > max_bytes:
            raise too_large(len(keys), max_bytes)
        return [found.get(key) for key in keys]

    def pages(self) -> Iterator[list[Entry]]:
        """Yield all entries by key, some at a time."""
        window = Window(limit=PAGE_ROWS)
        page = self.page(window)
        yield page.entries
        while page.next is not None:
            page = self.page(window.behind(page.next))
            yield page.entries

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key; fewer than there are, where they have many bytes."""
        rows, following = self._rows(RowsBody(window=window))
        return Page([row.entry for row in rows], following)

    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return some of what `range` does, with places."""
        return self._rows(RowsBody(range=RangeBody(key, bounds), window=window, declared=declared))

    def found(
        self, field: str, parts: Sequence[Bounds], window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return entries whose value has a field within one of *parts*, with places; fewer, as `page` does."""
        return self._rows(RowsBody(index=IndexBody(field, list(parts)), window=window, declared=declared))

    def _rows(self, wanted: RowsBody) -> PlacedPage:
        answer = self._ask("rows", msgspec.json.encode(wanted), "application/json")
        try:
            return decode_rows(answer.body)
        except InvalidInputError as error:
            raise _unusable(self._access, str(error)) from error

    def _ask(self, what: str, body: bytes, content_type: str) -> HolderAnswer:
        headers = {"Content-Type": content_type}
        if self._at_least is not None:
            headers[AT_LEAST_HEADER] = self._at_least
        answer, self._holder = self._mirrors.ask(
            self._access, what, body, headers, deadline=self._deadline, preferred=self._holder, part=self._part
        )
        self._at_least = answer.headers.get(POSITION_HEADER.lower(), self._at_least)
        return answer


def whole_range(read: Callable[[Window], PlacedPage], window: Window) -> list[Entry]:
    """Return all rows of a range, read in several answers where they are many.

    Raises:
        TooLargeError: They have more bytes than an operation may be given.
    """
    entries: list[Entry] = []
    held, limit = 0, window.limit
    while True:
        page = read(window)
        entries += [row.entry for row in page.rows]
        held += sum(len(row.entry.value) for row in page.rows)
        if page.next is None or len(entries) == limit:
            return entries
        if held > MAX_ANSWER_BYTES:
            raise TooLargeError(
                f"The values of this range have more than {MAX_ANSWER_BYTES} bytes. Ask for fewer at once."
            )
        window = window.behind(page.next)
        if limit is not None:
            window = window.at_most(limit - len(entries))


def _unusable(access: TopicAccess, why: str) -> UnavailableError:
    return UnavailableError(
        f"What a replica of the mirror of topic {access.name} has answered cannot be used: {why} Let all processes of"
        " Quick be of one version, and try again."
    )
