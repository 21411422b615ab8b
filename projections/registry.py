"""The registry: topics, mirrors, gateways and the rest as they stand now, folded from the command log.

A row and the position that made it commit in one transaction, so a crash replays an event and never skips one. Talks
to no broker. One process writes, any number read.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from core import applications, compatibility, gateways, keys, log_safety, mirrors, published_registry, subjects, topics
from core.aggregates import LogEvent
from core.errors import FoldError, NotFoundError, ViewBehindError
from core.registered_schema import RegisteredSchema, with_imports
from core.store import Reader, Store, Writer, bounded_key, key_number, number_key

S = TypeVar("S", bound=msgspec.Struct)

UNDECLARED = 0
"""Incarnation of what is there without a command: positions begin at 1."""

POSITION, _STOPPED = b"position", b"stopped"


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


class Noun(NamedTuple):
    """How the rows of one noun are folded, found and read."""

    fold: Callable[[Any, LogEvent], Any]
    key: Callable[[Any], bytes]
    """Key of the row that an event is about, or that a state stands in."""
    decoder: msgspec.msgpack.Decoder[Row[Any]]


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "replace")


def _named(event_or_state: Any) -> bytes:
    return bounded_key(_encoded(event_or_state.name))


def _numbered(event_or_state: Any) -> bytes:
    return number_key(event_or_state.schema_id)


def _decoder(state: type[S]) -> msgspec.msgpack.Decoder[Row[Any]]:
    return msgspec.msgpack.Decoder(Row[state])  # type: ignore[valid-type]  # a generic made for a class at run time


NOUNS: Mapping[str, Noun] = {
    topics.NOUN: Noun(topics.fold, _named, _decoder(topics.Topic)),
    mirrors.NOUN: Noun(mirrors.fold, _named, _decoder(mirrors.Mirror)),
    gateways.NOUN: Noun(gateways.fold, _named, _decoder(gateways.Gateway)),
    applications.NOUN: Noun(applications.fold, _named, _decoder(applications.Application)),
    keys.NOUN: Noun(keys.fold, _named, _decoder(keys.Key)),
    subjects.NOUN: Noun(subjects.fold, _named, _decoder(subjects.Subject)),
    subjects.SCHEMA_ID_NOUN: Noun(subjects.fold_schema_id, _numbered, _decoder(RegisteredSchema)),
    compatibility.NOUN: Noun(compatibility.fold, _named, _decoder(compatibility.Compatibility)),
    log_safety.NOUN: Noun(log_safety.fold, _named, _decoder(log_safety.LogSafety)),
}
"""What the registry has rows of. Fingerprints of schemas are only looked at by commands."""

TABLES = ("meta", *NOUNS)

_pack = msgspec.msgpack.Encoder().encode


def row_after(noun: Noun, row: Row[Any] | None, recorded: RecordedEvent) -> Row[Any] | None:
    """Return a row after an event about it; `None` in means that there was none, `None` out that there is none now.

    Raises:
        FoldError: The event does not follow on the row, or says what means nothing to this program.
    """
    try:
        state = noun.fold(None if row is None else row.state, recorded.event)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise FoldError(f"The event at position {recorded.position} cannot be folded: {error}") from error
    if state is None:
        return None
    return Row(recorded.position if row is None else row.incarnation, recorded.position, state)


class Registry(ABC):
    """The questions that a registry answers, whether it shows the present or a moment of the past."""

    published: topics.Topic | None = None
    """The topic that the registry is published in. It is found by its name, and is in no list: nobody declares it."""

    @abstractmethod
    def position(self) -> int:
        """Return the position up to which the log is folded."""

    @abstractmethod
    def row(self, noun: str, key: bytes) -> Row[Any] | None:
        """Return one row, `None` when there is none."""

    @abstractmethod
    def rows(self, noun: str) -> list[Row[Any]]:
        """Return all rows of a noun by key."""

    def topic(self, name: str) -> Row[topics.Topic]:
        """Return a topic.

        Raises:
            NotFoundError: There is none of this name.
        """
        if self.published is not None and name == self.published.name:
            return Row(UNDECLARED, UNDECLARED, self.published)
        return self._named(topics.NOUN, name, f"Topic {name} not found in topic registry")

    def topics(self) -> list[Row[topics.Topic]]:
        """Return all topics by name."""
        return self.rows(topics.NOUN)

    def mirror(self, name: str) -> Row[mirrors.Mirror]:
        """Return a mirror.

        Raises:
            NotFoundError: There is none of this name.
        """
        if self.published is not None and name == self.published.name:
            return Row(UNDECLARED, UNDECLARED, mirrors.Mirror(name=name, topic=name, replicas=1, tag=None))
        return self._named(mirrors.NOUN, name, f"There is no mirror {name}")

    def mirrors(self) -> list[Row[mirrors.Mirror]]:
        """Return all mirrors by name."""
        return self.rows(mirrors.NOUN)

    def gateway(self, name: str) -> Row[gateways.Gateway]:
        """Return a gateway.

        Raises:
            NotFoundError: There is none of this name.
        """
        return self._named(gateways.NOUN, name, f"Could not find resource {name}")

    def gateways(self) -> list[Row[gateways.Gateway]]:
        """Return all gateways by name."""
        return self.rows(gateways.NOUN)

    def application(self, name: str) -> Row[applications.Application]:
        """Return an application.

        Raises:
            NotFoundError: There is none of this name.
        """
        missing = f"There is no application {name}. Those that there are: quick app list"
        return self._named(applications.NOUN, name, missing)

    def applications(self) -> list[Row[applications.Application]]:
        """Return all applications by name."""
        return self.rows(applications.NOUN)

    def api_key(self, name: str) -> Row[keys.Key]:
        """Return an API key.

        Raises:
            NotFoundError: There is none of this name.
        """
        return self._named(keys.NOUN, name, f"There is no key {name}")

    def api_keys(self) -> list[Row[keys.Key]]:
        """Return all API keys by name."""
        return self.rows(keys.NOUN)

    def subject(self, name: str) -> Row[subjects.Subject]:
        """Return a subject; all of its versions may be deleted softly.

        Raises:
            NotFoundError: There is none of this name.
        """
        return self._named(subjects.NOUN, name, f"Subject '{name}' not found.")

    def subjects(self) -> list[Row[subjects.Subject]]:
        """Return all subjects by name, also those whose versions are all deleted softly."""
        return self.rows(subjects.NOUN)

    def own_compatibility(self, name: str) -> compatibility.CompatibilityLevel | None:
        """Return the level that was set for a subject or globally, `None` when none was."""
        row: Row[compatibility.Compatibility] | None = self.row(compatibility.NOUN, bounded_key(_encoded(name)))
        return None if row is None else row.state.level

    def compatibility(self, name: str) -> compatibility.CompatibilityLevel:
        """Return the level that counts for a subject."""
        own = self.own_compatibility(name)
        return own or self.own_compatibility(compatibility.GLOBAL) or compatibility.DEFAULT

    def schema(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an ID, with the texts of those that it names.

        Raises:
            NotFoundError: The ID was never given.
        """
        return with_imports(self._schema(schema_id), self._schema)

    def _schema(self, schema_id: int) -> RegisteredSchema:
        if schema_id == published_registry.SCHEMA_ID:
            return published_registry.SCHEMA
        row: Row[RegisteredSchema] | None = self.row(subjects.SCHEMA_ID_NOUN, number_key(schema_id))
        if row is None:
            raise NotFoundError(f"Schema {schema_id} not found")
        return row.state

    def _named(self, noun: str, name: str, missing: str) -> Row[Any]:
        row = self.row(noun, bounded_key(_encoded(name)))
        if row is None:
            raise NotFoundError(missing)
        return row


class RegistryProjection:
    """Folds events into the registry; used by the one process that writes it.

    Args:
        path: Folder of the view.
        published: The topic that the registry is published in.
    """

    def __init__(self, path: Path, published: topics.Topic | None = None) -> None:
        self.store = Store(path, TABLES)
        self.published = published

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def view(self) -> RegistryView:
        """Return a view on the store that is written here: a process may open it only once."""
        return RegistryView(self.store, self.published)

    def fold(self, events: Iterable[RecordedEvent], upto: int) -> None:
        """Apply *events*, which continue where the last call ended, and move to the position *upto*.

        Raises:
            FoldError: An event does not fit; nothing of this call was kept.
            StoreError: The disk is full; nothing of this call was kept.
        """
        batch = list(events)
        self.store.update(lambda txn: _fold(txn, batch, upto))

    def note_stopped(self, reason: str) -> None:
        """Tell every process that the registry cannot be folded further."""
        self.store.update(lambda txn: txn.put("meta", _STOPPED, reason.encode()))


class RegistryView(Registry):
    """The registry for reading; *published* is the topic that it is published in."""

    def __init__(self, store: Store, published: topics.Topic | None = None) -> None:
        self._store = store
        self.published = published

    @classmethod
    def open(cls, path: Path, published: topics.Topic | None = None) -> RegistryView:
        """Open the registry that another process writes."""
        return cls(Store(path, TABLES, readonly=True), published)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def position(self) -> int:
        """Return the position up to which the log is folded."""
        with self._store.read() as txn:
            return _position(txn)

    def version(self) -> int:
        """Return a number that changes with every change: cheaper to ask for than the position."""
        return self._store.version()

    def stopped(self) -> str | None:
        """Return why the registry cannot be folded further, `None` while it can."""
        with self._store.read() as txn:
            reason = txn.get("meta", _STOPPED)
        return None if reason is None else reason.decode()

    def wait_for(self, position: int, timeout_s: float) -> None:
        """Block until the registry has applied the command at *position*, so that a caller reads its own write.

        Raises:
            ViewBehindError: Time ran out, or the registry cannot be folded further; the command stays recorded.
        """
        deadline = time.monotonic() + timeout_s
        while (reached := self.position()) < position:
            if (reason := self.stopped()) is not None:
                raise ViewBehindError(f"The registry stands still at position {reached}: {reason}")
            if time.monotonic() > deadline:
                raise ViewBehindError(
                    f"The registry has not reached position {position} yet, it stands at {reached}. Read again."
                )
            time.sleep(0.001)

    def row(self, noun: str, key: bytes) -> Row[Any] | None:
        """Return one row, `None` when there is none."""
        with self._store.read() as txn:
            raw = txn.get(noun, key)
        return None if raw is None else NOUNS[noun].decoder.decode(raw)

    def max_schema_id(self) -> int:
        """Return the greatest ID that was given to a schema, 0 when there is none."""
        with self._store.read() as txn:
            return next((key_number(key) for key, _ in txn.scan(subjects.SCHEMA_ID_NOUN, reverse=True)), 0)

    def rows(self, noun: str) -> list[Row[Any]]:
        """Return all rows of a noun by key."""
        decode = NOUNS[noun].decoder.decode
        with self._store.read() as txn:
            return [decode(raw) for _, raw in txn.scan(noun)]


def _fold(txn: Writer, events: Iterable[RecordedEvent], upto: int) -> None:
    for recorded in events:
        noun = NOUNS.get(recorded.event.noun)
        if noun is not None:
            _fold_row(txn, noun, recorded)
    txn.put("meta", POSITION, number_key(upto))
    txn.delete("meta", _STOPPED)


def _fold_row(txn: Writer, noun: Noun, recorded: RecordedEvent) -> None:
    table, key = recorded.event.noun, noun.key(recorded.event)
    raw = txn.get(table, key)
    row = row_after(noun, None if raw is None else noun.decoder.decode(raw), recorded)
    if row is None:
        txn.delete(table, key)
    else:
        txn.put(table, key, _pack(row))


def _position(txn: Reader) -> int:
    raw = txn.get("meta", POSITION)
    return 0 if raw is None else key_number(raw)
