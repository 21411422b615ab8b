"""Shares of a mirror: which of its keys a replica holds, where not every replica is to hold all of them.

Keys are dealt to as many parts as there are replicas, by a checksum of their bytes, and each part is held by as many
replicas as there are to be copies. A share is one of keys and not of Kafka's partitions: all records of a key are of
one part, whatever partitioner has put them where, so that which of them counts, and that a key is gone, is known
wherever its part is held. For that a replica reads the whole topic, as one does that holds all of it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from core.errors import InvalidInputError

MAX_REPLICAS: Final = 10_000
"""Replicas of one mirror at most."""

_TEXT: Final = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


class Part(NamedTuple):
    """One of the parts that the keys of a mirror are dealt to."""

    number: int
    """From 0."""
    parts: int
    """How many there are."""

    def has(self, key: bytes) -> bool:
        """Return whether a key belongs to it."""
        return part_of(key, self.parts) == self.number

    def text(self) -> str:
        """Return the part as a header has it."""
        return f"{self.number}/{self.parts}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part that a header names.

        Raises:
            InvalidInputError: It is none.
        """
        match = _TEXT.fullmatch(text)
        if match is None or int(match[1]) >= int(match[2]):
            raise InvalidInputError(f"{text[:80]!r} is no part of a mirror. Send one such as 0/3.")
        return cls(int(match[1]), int(match[2]))


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of the keys one replica holds."""

    replicas: Annotated[int, msgspec.Meta(ge=1, le=MAX_REPLICAS)]
    """How many replicas there are, and parts."""
    copies: Annotated[int, msgspec.Meta(ge=1, le=MAX_REPLICAS)]
    """How many replicas hold each part."""
    number: Annotated[int, msgspec.Meta(ge=0, lt=MAX_REPLICAS)]
    """Number of the replica, from 0."""

    def has(self, part: Part) -> bool:
        """Return whether a part is held: that of the replica's number is, and those before it."""
        return part.parts == self.replicas and (self.number - part.number) % self.replicas < self.copies

    def holds(self, keys: Sequence[bytes]) -> list[bool]:
        """Return of each key whether it is held."""
        replicas, numbers = self.replicas, {(self.number - back) % self.replicas for back in range(self.copies)}
        return [zlib.crc32(key) % replicas in numbers for key in keys]


def part_of(key: bytes, parts: int) -> int:
    """Return the number of the part that a key belongs to."""
    return zlib.crc32(key) % parts
