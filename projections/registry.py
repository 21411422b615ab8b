"""The registry: topics, mirrors, gateways and schemas as they stand now, folded from the command log.

A row and the position that made it commit in one transaction, so a crash replays an event and never skips one. Talks
to no broker. One process writes, any number read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from core import gateways, mirrors, subjects, topics
from core.aggregates import LogEvent
from core.errors import NotFoundError, ViewBehindError
from core.store import Reader, Store, Writer, bounded_key, key_number, number_key

S = TypeVar("S", bound=msgspec.Struct)

TABLES = ("meta", topics.NOUN, mirrors.NOUN, gateways.NOUN, subjects.NOUN, subjects.SCHEMA_ID_NOUN)

_POSITION = b"position"


class Row(msgspec.Struct, Generic[S], frozen=True):
    """One thing that is alive."""

    incarnation: int
    """Position of its creation: tells it from an earlier thing of the same name."""
    position: int
    """Position of its last change."""
    state: S


class RecordedEvent(NamedTuple):
    """An event with its position."""

    position: int
    event: LogEvent


class _Noun(NamedTuple):
    """How the rows of one noun are folded, found and read."""

    fold: Callable[[Any, LogEvent], Any]
    key: Callable[[Any], bytes]
    decoder: msgspec.msgpack.Decoder[Row[Any]]


def _named(event: Any) -> bytes:
    return bounded_key(event.name.encode())


def _numbered(event: Any) -> bytes:
    return number_key(event.schema_id)


def _decoder(state: type[S]) -> msgspec.msgpack.Decoder[Row[Any]]:
    return msgspec.msgpack.Decoder(Row[state])  # type: ignore[valid-type]  # a generic made for a class at run time


_NOUNS = {
    topics.NOUN: _Noun(topics.fold, _named, _decoder(topics.Topic)),
    mirrors.NOUN: _Noun(mirrors.fold, _named, _decoder(mirrors.Mirror)),
    gateways.NOUN: _Noun(gateways.fold, _named, _decoder(gateways.Gateway)),
    subjects.NOUN: _Noun(subjects.fold, _named, _decoder(subjects.Subject)),
    subjects.SCHEMA_ID_NOUN: _Noun(subjects.fold_schema_id, _numbered, _decoder(subjects.RegisteredSchema)),
}

_pack = msgspec.msgpack.Encoder().encode


class RegistryProjection:
    """Folds events into the registry; used by the one process that writes it."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, TABLES)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def view(self) -> RegistryView:
        """Return a view on the store that is written here: a process may open it only once."""
        return RegistryView(self._store)

    def fold(self, events: Iterable[RecordedEvent], upto: int) -> None:
        """Apply *events*, which continue where the last call ended, and move to the position *upto*.

        Raises:
            FoldError: An event does not fit; nothing of this call was kept.
            StoreError: The disk is full; nothing of this call was kept.
        """
        batch = list(events)
        self._store.update(lambda txn: _fold(txn, batch, upto))


class RegistryView:
    """The registry for reading."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, path: Path) -> RegistryView:
        """Open the registry that another process writes."""
        return cls(Store(path, TABLES, readonly=True))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def position(self) -> int:
        """Return the position up to which the log is folded."""
        with self._store.read() as txn:
            return _position(txn)

    def topic(self, name: str) -> Row[topics.Topic]:
        """Return a topic.

        Raises:
            NotFoundError: There is none of this name.
        """
        row: Row[topics.Topic] | None = self._row(topics.NOUN, bounded_key(name.encode("utf-8", "replace")))
        if row is None:
            raise NotFoundError(f"Topic {name} not found in topic registry")
        return row

    def topics(self) -> list[Row[topics.Topic]]:
        """Return all topics by name."""
        return self._rows(topics.NOUN)

    def mirrors(self) -> list[Row[mirrors.Mirror]]:
        """Return all mirrors by name."""
        return self._rows(mirrors.NOUN)

    def gateway(self, name: str) -> Row[gateways.Gateway]:
        """Return a gateway.

        Raises:
            NotFoundError: There is none of this name.
        """
        row: Row[gateways.Gateway] | None = self._row(gateways.NOUN, bounded_key(name.encode("utf-8", "replace")))
        if row is None:
            raise NotFoundError(f"Could not find resource {name}")
        return row

    def gateways(self) -> list[Row[gateways.Gateway]]:
        """Return all gateways by name."""
        return self._rows(gateways.NOUN)

    def schema(self, schema_id: int) -> str:
        """Return the schema text of an ID.

        Raises:
            NotFoundError: The ID was never given.
        """
        row: Row[subjects.RegisteredSchema] | None = self._row(subjects.SCHEMA_ID_NOUN, number_key(schema_id))
        if row is None:
            raise NotFoundError(f"Schema {schema_id} not found")
        return row.state.schema

    def wait_for(self, position: int, timeout_s: float) -> None:
        """Block until the registry has applied the command at *position*, so that a caller reads its own write.

        Raises:
            ViewBehindError: Time ran out; the command stays recorded.
        """
        deadline = time.monotonic() + timeout_s
        while (reached := self.position()) < position:
            if time.monotonic() > deadline:
                raise ViewBehindError(
                    f"The registry has not reached position {position} yet, it stands at {reached}. Read again."
                )
            time.sleep(0.001)

    def _row(self, noun: str, key: bytes) -> Any:
        with self._store.read() as txn:
            raw = txn.get(noun, key)
        return None if raw is None else _NOUNS[noun].decoder.decode(raw)

    def _rows(self, noun: str) -> list[Any]:
        decode = _NOUNS[noun].decoder.decode
        with self._store.read() as txn:
            return [decode(raw) for _, raw in txn.scan(noun)]


def _fold(txn: Writer, events: Iterable[RecordedEvent], upto: int) -> None:
    for position, event in events:
        noun = _NOUNS.get(event.noun)
        if noun is not None:
            _fold_row(txn, noun, position, event)
    txn.put("meta", _POSITION, number_key(upto))


def _fold_row(txn: Writer, noun: _Noun, position: int, event: LogEvent) -> None:
    key = noun.key(event)
    raw = txn.get(event.noun, key)
    row = None if raw is None else noun.decoder.decode(raw)
    state = noun.fold(row and row.state, event)
    if state is None:
        txn.delete(event.noun, key)
    else:
        incarnation = position if row is None else row.incarnation
        txn.put(event.noun, key, _pack(Row(incarnation, position, state)))


def _position(txn: Reader) -> int:
    raw = txn.get("meta", _POSITION)
    return 0 if raw is None else key_number(raw)
