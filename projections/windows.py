"""Windows: which part of an order of a mirror is read, in which direction, and how much of it at once."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec


class Window(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of an order, told by places in it, whether something stands there or not. Travels to replicas as it is."""

    after: bytes | None = None
    """What comes up to here, in the order asked for, is left out."""
    until: bytes | None = None
    """What comes from here on, in the order asked for, is left out."""
    includes_after: bool = False
    """Whether what stands at `after` is not left out."""
    reverse: bool = False
    """Whether it is asked for from the end of the order to its beginning."""
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Most rows of one answer; `None` where the caller sets no bound."""

    def behind(self, place: bytes) -> Window:
        """Return what is left of the window behind a place in it."""
        return msgspec.structs.replace(self, after=place, includes_after=False)

    def at_most(self, limit: int) -> Window:
        """Return the window with another limit."""
        return msgspec.structs.replace(self, limit=limit)


WHOLE: Final = Window()
