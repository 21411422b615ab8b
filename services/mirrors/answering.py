"""What REST answers about a topic are made from: its mirror beside this process, or all replicas that share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from projections.mirror_entries import Entry
from projections.mirrors import MirrorView
from projections.pages import Page
from projections.windows import WHOLE, Window


class AnsweringMirror(Protocol):
    """A whole mirror, see `projections.mirrors.MirrorView`."""

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key."""

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key."""

    def get_many(self, keys: Sequence[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        """Return the entries of *keys*."""

    def all(self) -> Iterator[Entry]:
        """Yield all entries by key."""

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key."""

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the history of a key."""

    def find(
        self, field: str, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> Page:
        """Return entries by a field."""


def is_here(mirror: AnsweringMirror) -> bool:
    """Return whether a mirror is read without waiting for other processes."""
    return isinstance(mirror, MirrorView)
