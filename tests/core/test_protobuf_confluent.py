"""Frames against those of Confluent's own Python serializer and deserializer, which need no server for that."""

import importlib
import warnings
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from core.protobuf import ProtobufCodec
from core.protobuf_compiler import compile_protobuf
from core.registered_schema import RegisteredSchema

TEXT = """syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto"; import "money.proto";
message Order {
  int64 id = 1;
  optional string note = 2;
  repeated Line lines = 3;
  google.protobuf.Timestamp at = 4;
  map<string, money.Money> fees = 5;
  State state = 6;
  message Line { string product = 1; message Part { int32 number = 1; } Part part = 2; }
  enum State { STATE_UNSPECIFIED = 0; STATE_PAID = 1; }
}
message Cancelled { int64 id = 1; message Why { string text = 1; } }
"""
MONEY = 'syntax = "proto3"; package money; message Money { sint64 cents = 1; }'
ORDER = {
    "id": "5",
    "note": "",
    "lines": [{"product": "a", "part": {"number": 7}}, {"product": "b"}],
    "at": "2024-01-01T00:00:00.000000001Z",
    "fees": {"post": {"cents": "-50"}},
    "state": "PAID",
}


class Confluent:
    """Confluent's serializers with their in-memory registry, and the classes of the schema's messages."""

    def __init__(self) -> None:
        with warnings.catch_warnings(record=True):  # a library that they use warns of its own imports
            registry = importlib.import_module("confluent_kafka.schema_registry")
            self._protobuf = importlib.import_module("confluent_kafka.schema_registry.protobuf")
            serialization = importlib.import_module("confluent_kafka.serialization")
        self.client = registry.SchemaRegistryClient.new_client({"url": "mock://"})
        self._context = serialization.SerializationContext("orders", "value")
        self._pool = DescriptorPool()
        files = compile_protobuf(TEXT, {"money.proto": MONEY})
        for file in (*files.imports, files.main):
            self._pool.Add(file)

    def message_class(self, name: str) -> Any:
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

    def serialize(self, message: Any) -> bytes:
        raw = self._protobuf.ProtobufSerializer(type(message), self.client)(message, self._context)
        assert isinstance(raw, bytes)
        return raw

    def deserialize(self, name: str, raw: bytes) -> Any:
        return self._protobuf.ProtobufDeserializer(self.message_class(name), {}, self.client)(raw, self._context)

    def registered(self, schema_id: int) -> RegisteredSchema:
        """Return the schema as Confluent's client registered it: base64 of a serialized descriptor."""
        schema = self.client.get_schema(schema_id)
        return RegisteredSchema(
            schema_id=schema_id, schema_type="PROTOBUF", schema=schema.schema_str, imports={"money.proto": MONEY}
        )


@pytest.fixture
def confluent() -> Confluent:
    return Confluent()


def test_a_record_is_byte_for_byte_what_confluent_writes(confluent: Confluent) -> None:
    codec_of_text = ProtobufCodec(
        RegisteredSchema(schema_id=2, schema_type="PROTOBUF", schema=TEXT, imports={"money.proto": MONEY}),
        confluent.registered,
    )
    ours = codec_of_text.encode(codec_of_text.from_json(ORDER))
    message = confluent.message_class("shop.Order").FromString(ours[6:])
    theirs = confluent.serialize(message)
    assert 2 == int.from_bytes(theirs[1:5])  # the import got ID 1
    assert theirs == ours
    assert message == confluent.deserialize("shop.Order", ours)


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("shop.Order", {"id": 5}, "5"),
        ("shop.Order.Line", {"product": "x"}, "x"),
        ("shop.Order.Line.Part", {"number": 7}, 7),
        ("shop.Cancelled", {"id": 9}, "9"),
        ("shop.Cancelled.Why", {"text": "late"}, "late"),
    ],
)
def test_what_confluent_writes_is_read_whatever_message_it_is(
    confluent: Confluent, name: str, fields: Any, expected: Any
) -> None:
    raw = confluent.serialize(confluent.message_class(name)(**fields))
    codec = ProtobufCodec(confluent.registered(int.from_bytes(raw[1:5])), confluent.registered)
    assert expected == codec.to_json(codec.decode(raw))[next(iter(fields))]
