"""Rows that were decoded a moment ago, kept by their bytes.

The bytes say everything: a value that was written anew is another entry, so nothing in here can be stale. A row is kept
when it is asked for the second time: one long scan, or keys at random, drive nothing out and pay for nothing.

There are two generations. New rows go to the young one; when that is half of what may be kept, it becomes the old one,
and the old one is dropped but for the rows that were asked for meanwhile. So a hit takes no lock and moves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence
from sys import getsizeof
from typing import Any, Final

from core.record_fields import Decoder, ManyDecoder

MAX_ROWS: Final = 100_000
"""Most rows that are kept, however small."""

LARGEST_ROW_BYTES: Final = 16 * 1024
"""Longest value that is kept, as it stands in Kafka: a longer one would drive out hundreds."""

MEASURED_FIRST: Final = 32
"""Rows of each kind that are all measured at first."""

MEASURED_EVERY: Final = 32
"""Of the later ones each so-manieth is measured: that takes longer than to decode a row, and to keep it."""

_KEY_BYTES: Final = 250
"""What a row takes beside itself: a place in a dict, the key around its bytes."""

_CONTAINERS: Final = frozenset({dict, list, tuple})

_Key = tuple[bytes, Hashable]


class RowCache:
    """Decoded rows of all topics of one process. Safe to use from several threads; nobody changes what it gives.

    Args:
        max_bytes: Memory that the rows may take, about; 0 for none.
        max_rows: Most rows.
    """

    def __init__(self, max_bytes: int, max_rows: int = MAX_ROWS) -> None:
        self._half_bytes = max_bytes // 2
        self._half_rows = max_rows // 2
        self._lock = threading.Lock()
        self._young: dict[_Key, Any] = {}
        self._old: dict[_Key, Any] = {}
        self._young_bytes = 0
        self._old_bytes = 0
        self._seen: set[int] = set()

    @property
    def size_bytes(self) -> int:
        """What the kept rows take."""
        return self._young_bytes + self._old_bytes

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def decoder(self, scope: Hashable, decode: Decoder) -> Decoder:
        """Return what does the same as *decode*, looking here first.

        Args:
            scope: Tells the values of one topic and form from others of the same bytes.
            decode: Always makes the same of the same bytes.
        """
        if not self._half_bytes:
            return decode

        sizes = _Sizes()

        def look_first(raw: bytes) -> Any:
            key = (raw, scope)
            found = self._young.get(key)
            return self._found(key, decode, sizes) if found is None else found

        return look_first

    def many_decoder(self, scope: Hashable, decode: ManyDecoder) -> ManyDecoder:
        """Return what does the same as *decode*, looking here first; see `decoder`."""
        if not self._half_bytes:
            return decode

        sizes = _Sizes()

        def look_first(raws: Sequence[bytes]) -> list[Any]:
            young = self._young
            found = [young.get((raw, scope)) for raw in raws]
            places = [place for place, value in enumerate(found) if value is None]
            if places:
                keys = [(raws[place], scope) for place in places]
                for place, value in zip(places, self._found_many(keys, decode, sizes), strict=True):
                    found[place] = value
            return found

        return look_first

    def _found(self, key: _Key, decode: Decoder, sizes: _Sizes) -> Any:
        found = self._old.get(key)
        if found is None:
            found = decode(key[0])
            if not self._is_seen(key):
                return found
        self._keep([(key, found)], sizes)
        return found

    def _found_many(self, keys: Sequence[_Key], decode: ManyDecoder, sizes: _Sizes) -> list[Any]:
        found = [self._old.get(key) for key in keys]
        kept = [(key, value) for key, value in zip(keys, found, strict=True) if value is not None]
        places = [place for place, value in enumerate(found) if value is None]
        for place, value in zip(places, decode([keys[place][0] for place in places]), strict=True):
            found[place] = value
            if self._is_seen(keys[place]):
                kept.append((keys[place], value))
        if kept:
            self._keep(kept, sizes)
        return found

    def _is_seen(self, key: _Key) -> bool:
        """Return whether a row was decoded before: only then it is worth keeping."""
        mark = hash(key)
        if mark in self._seen:
            return True
        if len(self._seen) >= self._half_rows:
            self._seen = set()
        self._seen.add(mark)
        return False

    def _keep(self, rows: Iterable[tuple[_Key, Any]], sizes: _Sizes) -> None:
        with self._lock:
            for key, value in rows:
                length = len(key[0])
                if length > LARGEST_ROW_BYTES or key in self._young:
                    continue
                size = sizes.of(length, value) + length + _KEY_BYTES
                if size > self._half_bytes:
                    continue
                if self._young_bytes + size > self._half_bytes or len(self._young) >= self._half_rows:
                    self._old, self._young = self._young, {}
                    self._old_bytes, self._young_bytes = self._young_bytes, 0
                self._young[key] = value
                self._young_bytes += size


class _Sizes:
    """What rows of one kind take: some are measured, the others are taken to be like those, by their length."""

    def __init__(self) -> None:
        self._count = 0
        self._lengths = 1
        self._sizes = 1

    def of(self, length: int, value: Any) -> int:
        """Return what a decoded row takes, of *length* bytes as it stands in Kafka."""
        self._count += 1
        if self._count > MEASURED_FIRST and self._count % MEASURED_EVERY:
            return length * self._sizes // self._lengths
        size = size_of(value)
        self._lengths += length
        self._sizes += size
        return size


def size_of(value: Any) -> int:
    """Return the bytes that a decoded value takes at most; names of fields, which rows share, are counted too."""
    size, kind = getsizeof(value), type(value)
    if kind is dict:
        size += sum(map(getsizeof, value))
        members = value.values()
    elif kind is list or kind is tuple:
        members = value
    else:
        return size
    for member in members:  # Most have no members: no call for those.
        size += size_of(member) if type(member) in _CONTAINERS else getsizeof(member)
    return size
