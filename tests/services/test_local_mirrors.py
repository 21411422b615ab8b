from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from core.avro import AvroCodec
from core.errors import InvalidInputError, NotFoundError
from core.primitives import StringCodec
from core.registered_schema import RegisteredSchema
from services.local_mirrors import LocalMirrors
from services.mirrors.ranges import Indexes
from tests.services.mirror_app import KEYS, VALUES, MemoryMirror, WholeNumberField, ordered

SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "day", "type": {"type": "int", "logicalType": "date"}}, {"name": "raw", "type": "bytes"}],
}


class OneTopic:
    """A topic and its mirror, which holds one value for every key."""

    def __init__(self) -> None:
        registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(SCHEMA))
        self.keys = StringCodec()
        self.values = AvroCodec(registered, lambda _: registered)
        self._entry = SimpleNamespace(value=b"\0\0\0\0\1\2\2\xff")

    def topic(self, _: str) -> OneTopic:
        return self

    def mirror(self, _: Any) -> OneTopic:
        return self

    def get(self, _: bytes) -> Any:
        return self._entry

    def get_many(self, keys: list[bytes]) -> list[Any]:
        return [self._entry, *(None for _ in keys[1:])]

    def all(self) -> list[Any]:
        return [self._entry]


def test_a_gateway_reads_json_where_python_has_types_of_its_own() -> None:
    mirrors: Any = LocalMirrors(OneTopic(), lambda *_: None)  # type: ignore[arg-type]  # a stand-in for the topics
    node = {"day": "1970-01-02", "raw": "/w=="}
    assert node == mirrors.get("t", "k")
    assert [node, None] == mirrors.get_many("t", ["k", "l"])
    assert [node] == list(mirrors.all("t"))


def test_entries_are_counted_where_there_is_a_mirror() -> None:
    def mirror(topic: str) -> Any:
        if topic != "t":
            raise NotFoundError("There is no mirror")
        return SimpleNamespace(size=lambda: SimpleNamespace(entries=7))

    topics: Any = SimpleNamespace(topic=lambda name: name, mirror=mirror)
    mirrors = LocalMirrors(topics, lambda *_: None)
    assert (7, None) == (mirrors.entry_count("t"), mirrors.entry_count("other"))


def ranged_mirrors(mirror: MemoryMirror, range_key: WholeNumberField | None = None) -> LocalMirrors:
    access = SimpleNamespace(keys=KEYS, values=VALUES)
    topics: Any = SimpleNamespace(topic=lambda _: access, mirror=lambda _: mirror)
    indexes = Indexes(mirror, WholeNumberField("at"), range_key, {})
    return LocalMirrors(topics, lambda *_: indexes)


def test_a_range_is_read_in_its_order_from_the_lower_bound_up_to_the_upper_one() -> None:
    mirror = MemoryMirror()
    for at in (3, 1, -2, 2):
        mirror.write("k", at)
    mirrors = ranged_mirrors(mirror)
    assert [-2, 1, 2] == mirrors.range("t", "k", -2, 3)
    assert [] == mirrors.range("t", "nobody", -2, 3)
    with pytest.raises(InvalidInputError, match="Nothing of field at lies from 3 to 1"):
        mirrors.range("t", "k", 3, 1)
    with pytest.raises(InvalidInputError, match="'1' is no bound"):
        mirrors.range("t", "k", "1", 3)
    with pytest.raises(InvalidInputError, match="cannot be a key"):
        mirrors.range("t", 5, 1, 3)


def test_a_range_key_takes_the_place_of_the_key() -> None:
    mirror = MemoryMirror()
    mirror.write("k", 7, ranged_under=ordered(42))
    mirrors = ranged_mirrors(mirror, WholeNumberField("by"))
    assert [7] == mirrors.range("t", 42, 0, 9)
    with pytest.raises(InvalidInputError, match="'k' is no bound of field by"):
        mirrors.range("t", "k", 0, 9)


def test_a_mirror_without_a_range_field_says_so() -> None:
    mirrors: Any = LocalMirrors(OneTopic(), lambda *_: None)  # type: ignore[arg-type]  # a stand-in for the topics
    with pytest.raises(InvalidInputError, match=r"You are trying to query a range. But no range index set\."):
        mirrors.range("t", "k", 1, 2)
