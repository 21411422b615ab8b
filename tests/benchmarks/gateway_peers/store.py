"""Mirrors by their bare bytes: LMDB and fastavro with nothing between them, as quick as Python can read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import fastavro
import lmdb

from gateway_peers.setup_file import Mirror, Setup, read_setup

PARTITIONS = 3
HEADS = [partition.to_bytes(4, "big") + b"\0" for partition in range(PARTITIONS)]
"""How the key of an entry begins in each partition."""

AVRO_BEGINS = 9 + 5
"""Kind and time of the timestamp come before it, then a zero and the schema's id."""

Record = dict[str, Any]


class Store:
    """The records of one mirror by whole numbers. Nothing in it was ever deleted."""

    def __init__(self, mirror: Mirror) -> None:
        self._env = lmdb.open(mirror.path, map_size=1 << 32, max_dbs=8, readonly=True, readahead=False)
        self._entries = self._env.open_db(b"entries", create=False)
        self._avro = fastavro.parse_schema(json.loads(mirror.avro))

    def get(self, key: int) -> Record | None:
        """Return the record of a key."""
        return self.get_many((key,))[0]

    def get_many(self, keys: Iterable[int]) -> list[Record | None]:
        """Return the records of *keys*, in their order and as of one moment."""
        with self._env.begin(db=self._entries) as txn:
            found = [self._found(txn, key.to_bytes(4, "big", signed=True)) for key in keys]
        return [None if stored is None else self._decoded(stored) for stored in found]

    def all(self) -> list[Record]:
        """Return all records by their keys."""
        with self._env.begin(db=self._entries) as txn:
            stored = sorted((key[4:], value) for key, value in txn.cursor())
        return [self._decoded(value) for _, value in stored]

    def _found(self, txn: lmdb.Transaction[bytes], key: bytes) -> bytes | None:
        for head in HEADS:
            if (stored := txn.get(head + key)) is not None:
                return stored
        return None

    def _decoded(self, stored: bytes) -> Record:
        stream = BytesIO(stored)
        stream.seek(AVRO_BEGINS)
        record: Record = fastavro.schemaless_reader(stream, self._avro, None)  # type: ignore[assignment]
        return record


def open_stores(setup: Setup | None = None) -> tuple[Store, Store, Store]:
    """Return products, orders and catalogue; of the setup that this server was told of, unless one is given."""
    mirrors = (setup or read_setup()).mirrors
    return Store(mirrors["products"]), Store(mirrors["orders"]), Store(mirrors["catalogue"])
