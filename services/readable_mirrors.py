"""What is read of mirrors, wherever they are: by LMDB beside this process, or by asking those that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol

from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry
from projections.mirrors import MirrorSize
from projections.pages import Page, PlacedPage
from projections.windows import WHOLE, Window
from services.topic_access import TopicAccess


class ReadableMoment(Protocol):
    """What an operation reads of one topic, see `projections.mirror_moment.MirrorMoment`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key."""

    def values(self, keys: Sequence[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys*."""

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key."""

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the records of a key within bounds of the range field."""

    def pages(self) -> Iterator[list[Entry]]:
        """Yield all entries by key, some at a time."""

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key."""

    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return what `range` does, with places."""

    def found(
        self, field: str, parts: Sequence[Bounds], window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return the entries whose value has a field within one of *parts*."""


class OpenableMoment(ReadableMoment, Protocol):
    """One that is to be opened first."""

    def __enter__(self) -> ReadableMoment: ...


class ReadableMirror(Protocol):
    """A mirror, see `projections.mirrors.MirrorView`."""

    def moment(self) -> OpenableMoment:
        """Return what one operation reads of it."""

    def size(self) -> MirrorSize:
        """Return how much it holds."""


class MirrorSource(Protocol):
    """Finds topics and their mirrors, see `services.topic_access.TopicAccesses`."""

    def topic(self, name: str) -> TopicAccess:
        """Return the access to a topic."""

    def ready_mirror(self, access: TopicAccess) -> ReadableMirror | None:
        """Return the mirror of a topic, `None` while it cannot be read."""

    def mirror(self, access: TopicAccess) -> ReadableMirror:
        """Return the mirror of a topic, waiting a little for that of a new one."""
