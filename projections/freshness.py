"""How current each mirror is: what Kafka's topics held at some moment, for readers to compare with what they see.

    topics   Kafka ID of a topic → when it was looked at, where its partitions ended then, and since when it is known
             that all of an earlier look has been folded

A reader that finds its mirror behind those ends knows how many records it lacks at most; one that finds it beyond them
knows that nothing is older than that look. So what is told holds also when nobody looks any more: with Kafka away, or
without a projector, the age of every answer grows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from core.boot_mark import discard_untrusted, mark_dirty
from core.store import Store, bounded_key

TABLES: Final = ("topics",)


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What a topic held at a moment."""

    at_ms: int
    ends: dict[int, int]
    """Where committed records ended in each partition."""
    current_as_of_ms: int | None
    """When the last look was whose ends the mirror had reached by this one; `None` when it had reached none yet."""
    trouble: str | None = None
    """Why the mirror does not go on."""


class Freshness(NamedTuple):
    """How far an answer may be behind its topic."""

    records: int | None
    """Records that it lacks at most; gaps that compaction has left are counted too. `None` where nobody has looked."""
    seconds: float | None
    """It holds everything that was committed so long ago. `None` where it never held everything yet."""
    trouble: str | None = None
    """Why the mirror does not go on, where it does not."""


class FreshnessProjection:
    """Keeps the looks; used by the one process that writes them."""

    def __init__(self, path: Path) -> None:
        discard_untrusted(path)
        self._store = Store(path, TABLES, sync=False)
        mark_dirty(path)

    def note(self, looks: Mapping[str, Look]) -> None:
        """Keep a look at each topic, by Kafka's ID of it."""
        rows = sorted((bounded_key(topic_id.encode()), _encode(look)) for topic_id, look in looks.items())
        self._store.update(lambda txn: txn.put_many("topics", rows))

    def forget(self, topic_id: str) -> None:
        """Forget a topic that is not mirrored any more."""
        self._store.update(lambda txn: txn.delete("topics", bounded_key(topic_id.encode())))

    def look(self, topic_id: str) -> Look | None:
        """Return the last look at a topic."""
        return _look(self._store, topic_id)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class FreshnessView:
    """The looks for reading."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, TABLES, readonly=True)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def version(self) -> int:
        """Return a number that changes with every look."""
        return self._store.version()

    def look(self, topic_id: str) -> Look | None:
        """Return the last look at a topic, `None` when there was none yet."""
        return _look(self._store, topic_id)

    def troubles(self) -> list[str]:
        """Return why mirrors stand still, of those that do."""
        return _troubles(self._store)


def _troubles(store: Store) -> list[str]:
    with store.read() as txn:
        looks = [_decoder.decode(raw) for _, raw in txn.scan("topics")]
    return [look.trouble for look in looks if look.trouble is not None]


def freshness(look: Look | None, offsets: Mapping[int, int]) -> Freshness:
    """Return how far a mirror that stands at *offsets* may be behind, knowing a *look* at its topic."""
    if look is None:
        return Freshness(None, None)
    records = 0
    for partition, end in look.ends.items():
        records += max(0, end - offsets.get(partition, 0))
    as_of_ms = look.current_as_of_ms if records else look.at_ms
    seconds = None if as_of_ms is None else max(0.0, time.time() - as_of_ms / 1000)
    return Freshness(records, seconds, look.trouble)


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Look)


def _look(store: Store, topic_id: str) -> Look | None:
    with store.read() as txn:
        raw = txn.get("topics", bounded_key(topic_id.encode()))
    return None if raw is None else _decoder.decode(raw)
