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

_SUM_BYTES: Final = 4


def cursor(subject: str, place: bytes) -> str:
    """Return the cursor of a *place* in what *subject* names."""
    return base64.urlsafe_b64encode(_sum(subject, place) + place).decode().rstrip("=")


def place_of(subject: str, token: str) -> bytes:
    """Return the place of a cursor of *subject*.

    Raises:
        InvalidInputError: It is none.
    """
    place = known_place(subject, token)
    if place is None:
        raise _no_cursor(token)
    return place


def known_place(subject: str, token: str) -> bytes | None:
    """Return the place of a cursor of *subject*, `None` where *token* is none.

    Anybody can compute the checksum: whoever reads at the place has to check that it can be one.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    place = raw[_SUM_BYTES:]
    if not place or raw[:_SUM_BYTES] != _sum(subject, place):
        return None
    return place


def _sum(subject: str, place: bytes) -> bytes:
    return zlib.crc32(subject.encode() + b"\0" + place).to_bytes(_SUM_BYTES)


def _no_cursor(token: str) -> InvalidInputError:
    return InvalidInputError(
        f"The parameter after is {token[:80]!r}, which is no cursor for this. Send next exactly as the page before was"
        " answered with it, to the same address, or begin without it."
    )
