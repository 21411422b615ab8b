"""A mirror in LMDB that a test writes itself, and a topic around it: no broker, no registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lmdb
import msgspec

from core.errors import NotFoundError
from core.mirrors import MirrorDefinition
from core.store import Store, number_key
from core.types import Codec
from projections.mirror_entries import (
    KEPT,
    PARTITIONS,
    READY,
    TABLES,
    Kept,
    key_tail,
    partition_struct,
    stamp_struct,
    stored_value,
)
from projections.mirror_indexes import IndexReader
from projections.mirror_moment import MirrorFacts
from projections.mirrors import MirrorView
from services.topic_access import no_mirror


class WrittenMirror:
    """Writes entries as a projector would, all of one partition; each write is one commit."""

    def __init__(self, folder: Path, keys: Codec, values: Codec, *, topic: str = "t") -> None:
        self.access: Any = SimpleNamespace(
            name=topic, topic_id=f"id of {topic}", keys=keys, values=values, mirror=MirrorDefinition()
        )
        self._store = Store(folder, TABLES, sync=False)
        self._store.update(
            lambda txn: [
                txn.put("meta", PARTITIONS, number_key(1)),
                txn.put("meta", KEPT, msgspec.json.encode(Kept())),
                txn.put("meta", READY, b"1"),
            ]
        )
        # LMDB refuses a second environment of one path in a process, so the view reads in the writer's.
        self.view = MirrorView.__new__(MirrorView)
        self.view._facts, self.view._is_ready = MirrorFacts(), False
        self.view._store, self.view._indexes = self._store, IndexReader(self._store)

    def write(self, values: Mapping[Any, Any]) -> None:
        """Write values, or bytes that no codec of the topic has made."""
        codec, keys = self.access.values, self.access.keys
        entries = [
            (keys.encode(key), value if isinstance(value, bytes) else codec.encode(codec.from_json(value)))
            for key, value in values.items()
        ]
        self._store.update(
            lambda txn: [
                txn.put("entries", partition_struct.pack(0) + key_tail(key), self._stored(key, raw))
                for key, raw in entries
            ]
        )

    @staticmethod
    def _stored(key: bytes, raw: bytes) -> bytes:
        return stored_value(key, raw, stamp_struct.pack(0, 1_000))

    def readers(self) -> int:
        """Return how many read transactions are open in the store."""
        environment: lmdb.Environment = self.view._store._env
        return sum(line.split()[-1] != "-" for line in environment.readers().splitlines()[1:])

    def close(self) -> None:
        self._store.close()


class Topics:
    """Stands for `TopicAccesses` over written mirrors."""

    def __init__(self, *mirrors: WrittenMirror) -> None:
        self.mirrors = {mirror.access.name: mirror for mirror in mirrors}
        self.is_ready = True

    def topic(self, name: str) -> Any:
        if name not in self.mirrors:
            raise NotFoundError(f"Topic {name} not found in topic registry")
        return self.mirrors[name].access

    def mirror(self, access: Any) -> MirrorView:
        if access.mirror is None:
            raise no_mirror(access.name)
        return self.mirrors[access.name].view

    def ready_mirror(self, access: Any) -> MirrorView | None:
        return self.mirror(access) if self.is_ready else None
