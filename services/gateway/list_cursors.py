"""Cursors of lists: where a page of a connection ends, opaque to clients.

A cursor holds the place of a row and a checksum that ties it to the field, to the topic as it is now, to what was asked
for, and to this form of cursors. What the place says is checked where it is used: a checksum keeps nobody from making
one up.
"""

from __future__ import annotations

from typing import Final

from core.errors import InvalidInputError
from services.mirrors.cursors import cursor, known_place

_FORM: Final = 1
"""Number of the form; cursors of another one are refused."""


class ListCursors:
    """The cursors of one list.

    Args:
        field: Of which they are, such as `Query.products`.
        topic_id: Identity of the topic.
        asked: What was asked for, conditions and bounds.
    """

    def __init__(self, field: str, topic_id: str, asked: str) -> None:
        self._field = field
        self._subject = f"list {_FORM} {field} {topic_id} {asked}"

    def token(self, place: bytes) -> str:
        """Return the cursor of a place."""
        return cursor(self._subject, place)

    def place(self, argument: str, token: str) -> bytes:
        """Return the place of a cursor.

        Args:
            argument: That it came as, for the message.
            token: The cursor.

        Raises:
            InvalidInputError: It is none of this list.
        """
        place = known_place(self._subject, token)
        if place is None:
            raise InvalidInputError(
                f"{argument} is {token[:80]!r}, which is no cursor of {self._field} with these conditions. Send one as "
                "the connection has answered it, with the same conditions, or leave it out to begin anew."
            )
        return place
