"""Values as bytes that sort as the values do, so that LMDB can be asked for ranges of them."""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """A range of values as their ordered bytes."""

    low: bytes | None = None
    """`None` for no bound."""
    high: bytes | None = None
    includes_low: bool = True
    includes_high: bool = False
