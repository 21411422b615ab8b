from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from core.avro import AvroCodec
from core.primitives import StringCodec
from core.registered_schema import RegisteredSchema
from services.local_mirrors import LocalMirrors

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
    mirrors: Any = LocalMirrors(OneTopic())  # type: ignore[arg-type]  # a stand-in for the topics
    node = {"day": "1970-01-02", "raw": "/w=="}
    assert node == mirrors.get("t", "k")
    assert [node, None] == mirrors.get_many("t", ["k", "l"])
    assert [node] == list(mirrors.all("t"))
