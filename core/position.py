"""Position tokens: what a write answers with, so that a read can ask for an answer that includes it.

A token names Kafka's topic ID, so that one of a topic that was deleted and created again is never taken for a
position in its successor. It is opaque to clients.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec

from core.errors import InvalidInputError


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Records of one topic: the offset of the last one in each partition."""

    topic_id: str
    offsets: dict[Annotated[int, msgspec.Meta(ge=0, lt=2**31)], Annotated[int, msgspec.Meta(ge=0)]]

    def joined(self, later: Position) -> Position:
        """Return the position behind all records of both; of another topic, *later* alone."""
        if later.topic_id != self.topic_id:
            return later
        both = {**self.offsets, **later.offsets}
        return Position(self.topic_id, {each: max(both[each], self.offsets.get(each, 0)) for each in both})

    def token(self) -> str:
        """Return the token of this position."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> Position:
        """Read a token.

        Raises:
            InvalidInputError: It is none.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return msgspec.msgpack.decode(raw, type=cls)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise InvalidInputError(
                f"{token[:80]!r} is no position. Send a position exactly as a write has answered it."
            ) from error
