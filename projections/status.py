"""The last outcome of each reconciled thing: what was applied, or why it could not be; and who holds which mirror.

The compacted topic `__quick-status` is the truth, so that any machine knows which Kafka topic belongs to which
incarnation; this view is a copy of it. The key of a record says what it is:

    topic/<name>/<incarnation>   what became of a topic             → table `status`
    kubernetes/<Kind>/<name>     what became of an object           → table `status`
    mirror/<topic>/<replica>     what a replica says of itself      → table `replicas`, behind the time when it was read

What begins otherwise was written by a newer version, or by somebody else, and is skipped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from core.errors import ViewBehindError
from core.kafka_reader import ConsumedRecord
from core.store import MAX_KEY_BYTES, Store, Writer, bounded_key, key_number, number_key
from projections import object_status
from projections.object_status import ObjectStatus
from projections.replicas import PREFIX, Replica, decode_replica, replica_prefix

logger = logging.getLogger(__name__)

TABLES = ("meta", "status", "replicas")

TOPIC_CONFIG: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "segment.bytes": str(4 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}
"""Settings of the status topic: only the last outcome of each thing matters. Replicas of mirrors write again and again,
and what is in the last segment is not compacted: it is to be small, because each new process reads all of it."""

NEXT_OFFSET, _TOPIC_ID, _TOPICS_CHANGED = b"next_offset", b"topic_id", b"topics_changed"


class TopicStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one incarnation of a topic."""

    name: str
    incarnation: int
    state: str
    """`creating` before Kafka is asked, `created` once it has answered, `failed` with a reason."""
    topic_id: str | None = None
    """Kafka's ID of the topic that belongs to this incarnation."""
    error: str | None = None
    dangers: list[str] = []
    """Why a later record of a key could win in an immutable topic; writes to it are refused meanwhile."""


CREATING, CREATED, FAILED = "creating", "created", "failed"

_decoder = msgspec.json.Decoder(TopicStatus)
_OBJECTS = bounded_key(object_status.KEYS)

_TOPIC_PREFIX = b"topic/"


def topic_key(name: str, incarnation: int) -> bytes:
    """Return the key of an incarnation's status record."""
    return f"topic/{name}/{incarnation}".encode()


def encode(status: TopicStatus) -> bytes:
    """Return the value of a status record: JSON, so that any tool shows it."""
    return msgspec.json.encode(status)


class StatusProjection:
    """Keeps the copy; used by the one process that writes it.

    Args:
        path: Folder of the view.
        topic_id: Identity of the status topic; the copy of another one is given up.
    """

    def __init__(self, path: Path, topic_id: str) -> None:
        self.store = Store(path, TABLES)
        self.store.update(lambda txn: _adopt(txn, topic_id.encode()))
        self.topics_changed = _meta_number(self.store, _TOPICS_CHANGED)
        """The offset behind the last status of a topic."""

    @property
    def view(self) -> StatusView:
        """Return a view on the store that is written here."""
        return StatusView(self.store)

    def next_offset(self) -> int:
        """Return the offset to continue at."""
        return _meta_number(self.store, NEXT_OFFSET)

    def fold(self, records: Sequence[ConsumedRecord]) -> None:
        """Apply *records* of the status topic, in order; what is no status is skipped and said."""
        self.topics_changed = self.store.update(lambda txn: _fold(txn, records))

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class StatusView:
    """The statuses for reading."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unsafe: tuple[int, list[TopicStatus]] | None = None
        self._troubled: tuple[int, list[ObjectStatus]] | None = None

    @classmethod
    def open(cls, path: Path) -> StatusView:
        """Open the view that another process writes."""
        return cls(Store(path, TABLES, readonly=True))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def version(self) -> int:
        """Return a number that changes with every change of what is noted."""
        return self._store.version()

    def topic(self, name: str, incarnation: int) -> TopicStatus | None:
        """Return what became of an incarnation of a topic, `None` when it was not looked at or is gone."""
        with self._store.read() as txn:
            raw = txn.get("status", bounded_key(topic_key(name, incarnation)))
        return None if raw is None else _decoder.decode(raw)

    def next_offset(self) -> int:
        """Return the offset behind the last status that is folded: what was read before is current while it stays."""
        return _meta_number(self._store, NEXT_OFFSET)

    def topics_changed(self) -> int:
        """Return the offset behind the last status of a topic: while it stays, so does what is noted of topics."""
        return _meta_number(self._store, _TOPICS_CHANGED)

    def replicas(self, topic: str, topic_id: str) -> list[Replica]:
        """Return the replicas that have announced to hold the Kafka topic of this ID, also long ago."""
        prefix = replica_prefix(topic)
        found: list[Replica] = []
        with self._store.read() as txn:
            for key, value in txn.scan("replicas", prefix):
                if not key.startswith(prefix):
                    break
                found.append(_replica(value))
        return [replica for replica in found if replica.status.topic_id == topic_id]

    def wait_for(self, offset: int, timeout_s: float) -> None:
        """Block until the record at *offset* of the status topic is folded.

        Raises:
            ViewBehindError: Time ran out.
        """
        deadline = time.monotonic() + timeout_s
        while _meta_number(self._store, NEXT_OFFSET) <= offset:
            if time.monotonic() > deadline:
                raise ViewBehindError(f"The status view has not reached offset {offset} yet. Read again.")
            time.sleep(0.001)

    def topics(self) -> list[TopicStatus]:
        """Return the statuses of all incarnations of topics that are not given up for good."""
        with self._store.read() as txn:
            return [_decoder.decode(raw) for key, raw in txn.scan("status") if not key.startswith(_OBJECTS)]

    def objects(self) -> list[ObjectStatus]:
        """Return what became of each object in Kubernetes, by kind and name; nothing where nobody reconciles them."""
        found = []
        with self._store.read() as txn:
            for key, raw in txn.scan("status", _OBJECTS):
                if not key.startswith(_OBJECTS):
                    break
                found.append(object_status.decoder.decode(raw))
        return found

    def unsafe(self) -> list[TopicStatus]:
        """Return the statuses of topics in danger; they are looked for only when a status was written meanwhile."""
        offset = self.topics_changed()
        if self._unsafe is None or self._unsafe[0] != offset:
            self._unsafe = (offset, [status for status in self.topics() if status.dangers])
        return self._unsafe[1]

    def troubled(self) -> list[ObjectStatus]:
        """Return the objects in Kubernetes that somebody has to look at; looked for as in `unsafe`."""
        offset = self.next_offset()
        if self._troubled is None or self._troubled[0] != offset:
            self._troubled = (offset, [one for one in self.objects() if one.state in object_status.TROUBLES])
        return self._troubled[1]


def _meta_number(store: Store, key: bytes) -> int:
    with store.read() as txn:
        raw = txn.get("meta", key)
    return 0 if raw is None else key_number(raw)


def _adopt(txn: Writer, topic_id: bytes) -> None:
    if txn.get("meta", _TOPIC_ID) != topic_id:
        for table in TABLES:
            txn.clear(table)
        txn.put("meta", _TOPIC_ID, topic_id)


def _fold(txn: Writer, records: Sequence[ConsumedRecord]) -> int:
    """Apply *records*; return the offset behind the last one of a topic."""
    raw = txn.get("meta", _TOPICS_CHANGED)
    changed = 0 if raw is None else key_number(raw)
    now = number_key(int(time.time() * 1000))
    for record in records:
        given, value = record.key() or b"", record.value()
        if given.startswith(PREFIX):
            key = given[:MAX_KEY_BYTES]  # Names of topics and machines are shorter together.
            if value is None:
                txn.delete("replicas", key)
            elif _is_readable(record, decode_replica):
                txn.put("replicas", key, now + value)
            continue
        decode: Callable[[bytes], object]
        if given.startswith(_TOPIC_PREFIX):
            decode, changed = _decoder.decode, record.offset() + 1
        elif given.startswith(object_status.KEYS):
            decode = object_status.decoder.decode
        else:
            continue
        key = bounded_key(given)
        if value is None:
            txn.delete("status", key)
        elif _is_readable(record, decode):
            txn.put("status", key, value)
    txn.put("meta", _TOPICS_CHANGED, number_key(changed))
    txn.put("meta", NEXT_OFFSET, number_key(records[-1].offset() + 1))
    return changed


def _replica(stored: bytes) -> Replica:
    return Replica(decode_replica(stored[8:]), key_number(stored[:8]))


def _is_readable(record: ConsumedRecord, decode: Callable[[bytes], object]) -> bool:
    """Return whether a record is one of ours; what somebody else wrote must not stop everything."""
    try:
        decode(record.value() or b"")
    except msgspec.DecodeError as error:
        logger.warning(
            "skipped %s[%s]@%s: it is no status: %s",
            record.topic(),
            record.partition(),
            record.offset(),
            error,
        )
        return False
    return True
