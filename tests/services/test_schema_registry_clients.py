"""Confluent's own Python client and serializers work with our registry as they do with Confluent's."""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterator

import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from confluent_kafka import Producer

from tests.running import API_KEY, Running, until

with warnings.catch_warnings():
    # The client imports what Authlib has a successor for, and Authlib lets its warnings through when it is imported.
    warnings.filterwarnings("ignore", message="The httpx module is deprecated", category=AuthlibDeprecationWarning)
    from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext


@pytest.fixture
def client(running: Running) -> Iterator[SchemaRegistryClient]:
    settings = {"url": f"{running.url}/schema-registry", "basic.auth.user.info": f"anybody:{API_KEY}"}
    with SchemaRegistryClient(settings) as client:
        yield client


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


ID: dict[str, object] = {"name": "id", "type": "long"}


def user(*more: dict[str, object], name: str = "User") -> str:
    fields = [ID, *more]
    return json.dumps({"type": "record", "name": name, "namespace": "test", "fields": fields}, separators=(",", ":"))


MAIL = {"name": "mail", "type": ["null", "string"], "default": None}


def test_serializers_register_and_read_by_themselves(client: SchemaRegistryClient, topic: str) -> None:
    context = SerializationContext(topic, MessageField.VALUE)
    raw = AvroSerializer(client, user())({"id": 7}, context)
    assert raw is not None
    registered = client.get_latest_version(f"{topic}-value")
    assert (b"\x00", registered.schema_id) == (raw[:1], int.from_bytes(raw[1:5]))
    assert {"id": 7} == AvroDeserializer(client)(raw, context)


def test_a_serializer_uses_the_latest_version(client: SchemaRegistryClient, topic: str) -> None:
    client.register_schema(f"{topic}-value", Schema(user(MAIL), "AVRO"))
    latest = client.get_latest_version(f"{topic}-value")
    settings = {"auto.register.schemas": False, "use.latest.version": True}
    context = SerializationContext(topic, MessageField.VALUE)
    raw = AvroSerializer(client, user(MAIL), conf=settings)({"id": 7, "mail": None}, context)
    assert raw is not None
    assert latest.schema_id == int.from_bytes(raw[1:5])
    assert {"id": 7, "mail": None} == AvroDeserializer(client)(raw, context)


def test_the_client_registers_looks_up_and_deletes(client: SchemaRegistryClient, topic: str) -> None:
    subject, schema = f"{topic}-value", Schema(user(name=f"U{uuid.uuid4().hex}"), "AVRO")
    schema_id = client.register_schema(subject, schema)
    assert schema_id == client.register_schema(subject, schema, normalize_schemas=True)
    assert schema_id == client.lookup_schema(subject, schema).schema_id
    assert schema.schema_str == client.get_schema(schema_id).schema_str
    assert 1 == client.get_version(subject, 1).version
    assert [1] == client.get_versions(subject)
    assert subject in client.get_subjects()
    assert [subject] == client.get_subjects_by_schema_id(schema_id)
    assert 1 == client.delete_version(subject, 1)
    with pytest.raises(SchemaRegistryError) as caught:
        client.get_latest_version(subject)
    assert (404, 40401) == (caught.value.http_status_code, caught.value.error_code)
    assert [1] == client.delete_subject(subject, permanent=True)


def test_the_client_checks_compatibility_and_sets_levels(client: SchemaRegistryClient, topic: str) -> None:
    subject = f"{topic}-value"
    client.register_schema(subject, Schema(user(), "AVRO"))
    incompatible = Schema(user({"name": "age", "type": "int"}), "AVRO")
    assert client.test_compatibility(subject, Schema(user(MAIL), "AVRO"))
    assert not client.test_compatibility(subject, incompatible)
    assert not client.test_compatibility_all_versions(subject, incompatible, verbose=True)
    with pytest.raises(SchemaRegistryError, match="without a default") as caught:
        client.register_schema(subject, incompatible)
    assert 409 == caught.value.http_status_code
    client.set_compatibility(subject, "NONE")
    assert "NONE" == client.get_compatibility(subject)
    assert client.test_compatibility(subject, incompatible)
    assert "READWRITE" == client.get_global_mode()


def test_the_client_registers_references(client: SchemaRegistryClient, topic: str) -> None:
    client.register_schema(f"{topic}-user", Schema(user(), "AVRO"))
    order = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "by", "type": "test.User"}]})
    schema = Schema(order, "AVRO", [SchemaReference("test.User", f"{topic}-user", 1)])
    context = SerializationContext(topic, MessageField.VALUE)
    raw = AvroSerializer(client, schema)({"by": {"id": 7}}, context)
    assert raw is not None
    assert {"by": {"id": 7}} == AvroDeserializer(client)(raw, context)


def test_a_mirror_reads_what_other_producers_write_with_versions_of_their_own(
    running: Running, client: SchemaRegistryClient, topic: str
) -> None:
    with running.http() as http:
        sdl = "type Query { a: Int } type User { id: Long! }"
        http.post("/manager/gateway", json={"name": topic, "schema": sdl}).raise_for_status()
        body = {"valueSchema": {"gateway": topic, "type": "User"}}
        parameters = {"keyType": "string", "valueType": "schema"}
        http.post(f"/manager/topic/{topic}", params=parameters, json=body).raise_for_status()
    client.register_schema(f"{topic}-mail", Schema(user(name="Mail"), "AVRO"))
    mail = {"name": "mail", "type": ["null", "test.Mail"], "default": None}
    text = json.dumps({"type": "record", "name": "User", "namespace": "quick", "fields": [ID, mail]})
    serializer = AvroSerializer(client, Schema(text, "AVRO", [SchemaReference("test.Mail", f"{topic}-mail", 1)]))
    raw = serializer({"id": 7, "mail": {"id": 8}}, SerializationContext(topic, MessageField.VALUE))
    assert [1, 2] == client.get_versions(f"{topic}-value")
    producer = Producer({"bootstrap.servers": running.kafka})
    producer.produce(topic, raw, b"k")
    assert 0 == producer.flush(30)
    with running.http() as http:
        until(lambda: http.get(f"/mirror/{topic}/mirror/k").status_code == 200)
        assert {"id": 7, "mail": {"id": 8}} == http.get(f"/mirror/{topic}/mirror/k").json()["value"]


def test_a_wrong_key_is_told(running: Running) -> None:
    settings = {"url": f"{running.url}/schema-registry", "basic.auth.user.info": "anybody:wrong"}
    with SchemaRegistryClient(settings) as client, pytest.raises(SchemaRegistryError) as caught:
        client.get_subjects()
    assert (401, 401) == (caught.value.http_status_code, caught.value.error_code)
