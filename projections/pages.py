"""Pages: some entries of a mirror in their order, and where to go on."""

from __future__ import annotations

from typing import NamedTuple

from projections.mirror_entries import Entry


class Page(NamedTuple):
    """Some entries of a mirror in their order, and where to go on."""

    entries: list[Entry]
    next: bytes | None
    """The cursor behind them; `None` when nothing more was there."""


class Placed(NamedTuple):
    """An entry of a mirror, and where it stands in the order in which it was asked for."""

    place: bytes
    """Says how to go on behind it, or before it, also when it is gone."""
    entry: Entry


class PlacedPage(NamedTuple):
    """Some entries of a mirror with their places, in the order asked for, and where to go on."""

    rows: list[Placed]
    next: bytes | None
    """The place behind which to go on; `None` when nothing more was there."""
