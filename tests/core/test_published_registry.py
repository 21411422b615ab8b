"""The records in which other programs read the registry."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from fastavro import parse_schema, schemaless_reader

from core.published_registry import SCHEMA_ID, SCHEMA_TEXT, RegistryRecords, registry_topic
from core.topic_type import TopicType
from core.topics import Topic, TopicSchema, WriteType

SCHEMA = TopicSchema(
    gateway="shop", type="Item", sdl="type Item { id: Int! }", schema_id=7, schema_type="PROTOBUF", schema="…"
)
PLAIN = Topic(
    name="orders",
    write_type=WriteType.MUTABLE,
    key_type=TopicType.LONG,
    value_type=TopicType.STRING,
    partitions=3,
    replication_factor=1,
    config={},
)


def read(raw: bytes) -> object:
    return schemaless_reader(io.BytesIO(raw[5:]), parse_schema(json.loads(SCHEMA_TEXT)), None)


def test_a_record_tells_name_write_type_types_and_the_values_schema_of_its_gateway() -> None:
    key, value = RegistryRecords().record(PLAIN)
    assert (b"orders", bytes(5)) == (key, value[:5])
    expected = {"name": "orders", "writeType": "MUTABLE", "keyType": "LONG", "valueType": "STRING", "schema": None}
    assert expected == read(value)
    topic = msgspec.structs.replace(
        PLAIN, write_type=WriteType.IMMUTABLE, value_type=TopicType.SCHEMA, value_schema=SCHEMA
    )
    told = {"writeType": "IMMUTABLE", "valueType": "SCHEMA", "schema": SCHEMA.sdl}
    assert {**expected, **told} == read(RegistryRecords().record(topic)[1])


@pytest.mark.parametrize("type_", list(TopicType))
def test_every_type_can_be_told(type_: TopicType) -> None:
    topic = msgspec.structs.replace(PLAIN, key_type=type_, value_type=type_)
    assert {"keyType": type_.value, "valueType": type_.value}.items() <= dict(
        read(RegistryRecords().record(topic)[1])  # type: ignore[call-overload]  # a record is a dict
    ).items()


def test_the_same_topic_is_the_same_record_whatever_its_partitions_and_settings() -> None:
    other = msgspec.structs.replace(PLAIN, partitions=9, config={"retention.ms": "1"})
    assert RegistryRecords().record(PLAIN) == RegistryRecords().record(other)


def test_a_schema_registry_elsewhere_gives_another_id() -> None:
    assert b"\x00\x00\x00\x01\x02" == RegistryRecords(258).record(PLAIN)[1][:5]


def test_the_topic_knows_its_types_without_being_declared() -> None:
    topic = registry_topic("__topic-registry", replication_factor=3)
    assert (TopicType.STRING, TopicType.SCHEMA, WriteType.MUTABLE) == (
        topic.key_type,
        topic.value_type,
        topic.write_type,
    )
    assert (3, {"cleanup.policy": "compact"}) == (topic.replication_factor, topic.config)
    assert topic.value_schema is not None
    assert SCHEMA_ID == topic.value_schema.schema_id
