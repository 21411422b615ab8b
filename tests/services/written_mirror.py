"""A mirror in LMDB that a test writes itself, and a topic around it: no broker, no registry."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import lmdb
import msgspec

from core.comparable_fields import mirror_fields
from core.errors import NotFoundError
from core.mirror_shares import Share
from core.mirrors import MirrorDefinition
from core.registered_schema import RegisteredSchema
from core.store import Store, Writer, number_key
from core.types import Codec
from projections.index_reading import IndexReader
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
from projections.mirror_indexes import IndexWriter
from projections.mirror_moment import MirrorFacts
from projections.mirrors import MirrorView
from services.topic_access import no_mirror

NOTHING_ELSE: Final = MirrorDefinition()

_STAMP: Final = stamp_struct.pack(0, 1_000)


class WrittenMirror:
    """Writes entries as a projector would, all of one partition unless told otherwise; each write is one commit."""

    def __init__(
        self,
        folder: Path,
        keys: Codec,
        values: Codec,
        *,
        topic: str = "t",
        definition: MirrorDefinition = NOTHING_ELSE,
        schema: RegisteredSchema | None = None,
        partitions: int = 1,
        share: Share | None = None,
    ) -> None:
        self._share = share
        self.access: Any = SimpleNamespace(
            name=topic,
            topic_id=f"id of {topic}",
            keys=keys,
            values=values,
            mirror=definition,
            value_schema=None if schema is None else SimpleNamespace(registered=lambda: schema),
        )
        self._indexer = IndexWriter(definition, values, mirror_fields(definition, schema))
        self._store = Store(folder, (*TABLES, *self._indexer.tables), sync=False)
        self._store.update(
            lambda txn: [
                txn.put("meta", PARTITIONS, number_key(partitions)),
                txn.put("meta", KEPT, msgspec.json.encode(Kept(definition=definition, share=share))),
                txn.put("meta", READY, b"1"),
            ]
        )
        # LMDB refuses a second environment of one path in a process, so the view reads in the writer's.
        self.view = MirrorView.__new__(MirrorView)
        self.view._facts, self.view._is_ready = MirrorFacts(), False
        self.view._store, self.view._indexes = self._store, IndexReader(self._store)

    def write(self, values: Mapping[Any, Any], *, partition: int = 0) -> None:
        """Write values, or bytes that no codec of the topic has made; `None` deletes."""
        codec, encode_key = self.access.values, self.access.keys.encode
        if self._share is not None:
            held = self._share.holds([encode_key(key) for key in values])
            values = dict(compress(values.items(), held))
        keys = [encode_key(key) for key in values]
        raws = [
            value if value is None or isinstance(value, bytes) else codec.encode(codec.from_json(value))
            for value in values.values()
        ]

        def change(txn: Writer) -> None:
            self._indexer.take(txn, partition, keys, raws, [_STAMP] * len(keys))
            for key, raw in zip(keys, raws, strict=True):
                stored = partition_struct.pack(partition) + key_tail(key)
                if raw is None:
                    txn.delete("entries", stored)
                else:
                    txn.put("entries", stored, stored_value(key, raw, _STAMP))

        self._store.update(change)

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
