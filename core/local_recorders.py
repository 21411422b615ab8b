"""Recorders whose content can be made again from the log, and so stays on the machine: snapshots, tracking, views."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
from eventsourcing.persistence import (
    AggregateRecorder,
    IntegrityError,
    OperationalError,
    Recorder,
    StoredEvent,
    Tracking,
)

from core.store import Reader, Store, Writer, fixed_key, key_number, number_key
from core.tracking import PromptTrackingRecorder

T = TypeVar("T")

_opening = threading.Lock()
_stores: WeakValueDictionary[tuple[int, Path], Store] = WeakValueDictionary()
"""LMDB refuses two environments of one path in a process: recorders of one path share the store.

It closes with the last recorder that holds it. Nobody needs to count: the library's projection runner never closes
the view that it makes.
"""


class LocalRecorder(Recorder):
    """A recorder with a store in a folder of this machine.

    Args:
        path: Folder of the store; made when absent.
        tables: Names of the tables in it.

    Raises:
        StoreError: The folder cannot be opened as a store.
    """

    def __init__(self, path: Path, tables: Iterable[str]) -> None:
        self._opened: Store | None = _shared_store(path, tables)
        self.keeps: object = None
        """What must live as long as this recorder does: the temporary folder in which its store lies."""

    def close(self) -> None:
        """Let the store go. A recorder that nobody refers to any more does so by itself."""
        self._opened = None
        self.keeps = None

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise OperationalError("This recorder is closed. Make a new one.")
        return self._opened


class LocalSnapshotRecorder(LocalRecorder, AggregateRecorder):
    """Snapshots of aggregates, by originator and version."""

    def __init__(self, path: Path, *, uuids: bool = True) -> None:
        super().__init__(path, ["snapshots"])
        self._id_type: type[UUID | str] = UUID if uuids else str

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Keep *stored_events*.

        Raises:
            IntegrityError: One of them is kept already.
        """

        def change(txn: Writer) -> None:
            for event in stored_events:
                key = fixed_key(str(event.originator_id)) + number_key(event.originator_version)
                if txn.get("snapshots", key) is not None:
                    raise IntegrityError(
                        f"There is a snapshot of {event.originator_id} at version {event.originator_version} already"
                    )
                txn.put("snapshots", key, msgspec.msgpack.encode((event.topic, event.state)))

        self._store.update(change)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the snapshots of one originator by version."""
        with self._store.read() as txn:
            found = txn.scan_numbers("snapshots", fixed_key(str(originator_id)), gt=gt, lte=lte, desc=desc)
            return [self._stored_event(originator_id, version, raw) for version, raw in islice(found, limit)]

    def _stored_event(self, originator_id: UUID | str, version: int, raw: bytes) -> StoredEvent:
        topic, state = msgspec.msgpack.decode(raw, type=tuple[str, bytes])
        return StoredEvent(self._id_type(str(originator_id)), version, topic, state)


class LocalTrackingRecorder(LocalRecorder, PromptTrackingRecorder):
    """How far each followed application was processed; the base of views that are kept in LMDB.

    A view names its tables, and changes them in one transaction with its tracking, so that a crash replays an event
    and never skips or doubles one:

        class Tricks(LocalTrackingRecorder):
            tables = ("tricks",)

            def add(self, dog: UUID, trick: str, tracking: Tracking) -> None:
                self.update(tracking, lambda txn: txn.put("tricks", dog.bytes + trick.encode(), b""))

            def of(self, dog: UUID) -> list[str]:
                with self.read() as txn:
                    found = txn.scan("tricks", dog.bytes)
                    return [key[16:].decode() for key, _ in takewhile(lambda row: row[0].startswith(dog.bytes), found)]

    A key has 1 to 511 bytes; `core.store` makes such keys of other things.
    """

    tables: ClassVar[tuple[str, ...]] = ()
    """Names of the view's own tables; `tracking` is taken."""

    def __init__(self, path: Path) -> None:
        if "tracking" in self.tables:
            raise ValueError(f"{type(self).__name__} cannot have a table named 'tracking': rename it.")
        super().__init__(path, ["tracking", *self.tables])

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move the tracking of an application forward.

        Raises:
            IntegrityError: It is there already, or further.
        """
        self.update(tracking, _nothing)

    def update(self, tracking: Tracking, change: Callable[[Writer], T]) -> T:
        """Move the tracking of an application forward and *change* the view's tables: both, or neither.

        Args:
            tracking: The event that is processed.
            change: Gets the transaction. It may run again from the start, so it must not have effects elsewhere.

        Raises:
            IntegrityError: The event was processed before; *change* did not run.
            StoreError: The disk is full or the store is broken; nothing was kept.
        """

        def track_and_change(txn: Writer) -> T:
            _track(txn, tracking)
            return change(txn)

        return self._store.update(track_and_change)

    def read(self) -> AbstractContextManager[Reader]:
        """Open one consistent moment of the view's tables, for a `with`."""
        return self._store.read()

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far *application_name* was processed, `None` when it never was."""
        with self._store.read() as txn:
            raw = txn.get("tracking", fixed_key(application_name))
        return None if raw is None else key_number(raw)


def _track(txn: Writer, tracking: Tracking) -> None:
    key = fixed_key(tracking.application_name)
    current = txn.get("tracking", key)
    if current is not None and key_number(current) >= tracking.notification_id:
        raise IntegrityError(
            f"{tracking.application_name} is processed up to {key_number(current)} already,"
            f" which {tracking.notification_id} is not greater than"
        )
    txn.put("tracking", key, number_key(tracking.notification_id))


def _nothing(_: Writer) -> None:
    """Change nothing."""


def _shared_store(path: Path, tables: Iterable[str]) -> Store:
    key = (os.getpid(), path.absolute())
    with _opening:
        store = _stores.get(key)
        if store is None:
            store = Store(path, tables)
            _stores[key] = store
        return store
