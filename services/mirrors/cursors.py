"""Cursors: where the next page begins, opaque to clients.

A checksum ties a cursor to the topic, as it is now, and to what was asked: with that of another topic, or of another
index, somebody would be answered anything.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

from core.errors import InvalidInputError
from core.store import MAX_KEY_BYTES

_SUM_BYTES: Final = 4


def cursor(subject: str, place: bytes) -> str:
    """Return the cursor of a *place* in what *subject* names."""
    return base64.urlsafe_b64encode(_sum(subject, place) + place).decode().rstrip("=")


def place_of(subject: str, token: str) -> bytes:
    """Return the place of a cursor of *subject*.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _no_cursor(token) from error
    place = raw[_SUM_BYTES:]
    if not place or len(place) > MAX_KEY_BYTES or raw[:_SUM_BYTES] != _sum(subject, place):
        raise _no_cursor(token)
    return place


def _sum(subject: str, place: bytes) -> bytes:
    return zlib.crc32(subject.encode() + b"\0" + place).to_bytes(_SUM_BYTES)


def _no_cursor(token: str) -> InvalidInputError:
    return InvalidInputError(
        f"The parameter after is {token[:80]!r}, which is no cursor for this. Send next exactly as the page before was"
        " answered with it, to the same address, or begin without it."
    )
