"""Recorders whose content can be made again from the log, and so stays on the machine: snapshots and tracking."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    AggregateRecorder,
    IntegrityError,
    StoredEvent,
    Tracking,
    TrackingRecorder,
)

from core.store import Store, Writer, fixed_key, key_number, number_key


class LocalSnapshotRecorder(AggregateRecorder):
    """Snapshots of aggregates, by originator and version."""

    def __init__(self, path: Path, *, uuids: bool = True) -> None:
        self._store = Store(path, ["snapshots"], sync=False)
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


class LocalTrackingRecorder(TrackingRecorder):
    """How far each followed application was processed."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, ["tracking"])

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move the tracking of an application forward.

        Raises:
            IntegrityError: It is there already, or further.
        """

        def change(txn: Writer) -> None:
            key = fixed_key(tracking.application_name)
            current = txn.get("tracking", key)
            if current is not None and key_number(current) >= tracking.notification_id:
                raise IntegrityError(
                    f"{tracking.application_name} is processed up to {key_number(current)} already,"
                    f" which {tracking.notification_id} is not greater than"
                )
            txn.put("tracking", key, number_key(tracking.notification_id))

        self._store.update(change)

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far *application_name* was processed, `None` when it never was."""
        with self._store.read() as txn:
            raw = txn.get("tracking", fixed_key(application_name))
        return None if raw is None else key_number(raw)
