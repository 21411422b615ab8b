"""The registry as other programs read it: in its topic, and through its mirror; by hand it cannot be changed."""

from __future__ import annotations

import signal
import uuid
import warnings
from collections.abc import Callable

import pytest
from authlib.deprecate import AuthlibDeprecationWarning

from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.settings import registry_topic_beside
from projections.registry_publisher import held_by
from tests.running import API_KEY, Running, until

with warnings.catch_warnings():
    # The client imports what Authlib has a successor for, and Authlib lets its warnings through when it is imported.
    warnings.filterwarnings("ignore", message="The httpx module is deprecated", category=AuthlibDeprecationWarning)
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

SDL = "type Query { a: Int } type Item { id: Int!  name: String }"


def told(name: str) -> dict[str, object]:
    """Return what is published of a topic of texts by whole numbers."""
    return {"name": name, "writeType": "MUTABLE", "keyType": "LONG", "valueType": "STRING", "schema": None}


def create(running: Running, *names: str) -> None:
    with running.http() as http:
        for name in names:
            parameters = {"keyType": "long", "valueType": "string"}
            http.post(f"/manager/topic/{name}", params=parameters, json={}).raise_for_status()


def mirrored(running: Running, name: str) -> object:
    """Return what the mirror of the registry says of a topic, `None` if nothing."""
    topic = registry_topic_beside(running.log_topic)
    with running.http() as http:
        answer = http.get(f"/mirror/{topic}/mirror/{name}")
    return answer.json()["value"] if answer.status_code == 200 else None


@pytest.fixture
def name() -> str:
    return f"item-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topic(running: Running) -> str:
    return registry_topic_beside(running.log_topic)


def test_a_declared_topic_can_be_read_until_it_is_deleted(running: Running, name: str) -> None:
    create(running, name)
    until(lambda: mirrored(running, name) == told(name))
    with running.http() as http:
        http.delete(f"/manager/topic/{name}").raise_for_status()
    until(lambda: mirrored(running, name) is None)


def test_confluents_client_reads_the_records(running: Running, topic: str, name: str) -> None:
    with running.http() as http:
        http.post("/manager/gateway", json={"name": name, "schema": SDL}).raise_for_status()
        body = {"valueSchema": {"gateway": name, "type": "Item"}}
        parameters = {"keyType": "int", "valueType": "schema"}
        http.post(f"/manager/topic/{name}", params=parameters, json=body).raise_for_status()
    until(lambda: mirrored(running, name) is not None)
    raw = held_by(topic, 1, lambda: TopicsConsumer(running.kafka))[name.encode()]
    settings = {"url": f"{running.url}/schema-registry", "basic.auth.user.info": f"anybody:{API_KEY}"}
    with SchemaRegistryClient(settings) as client:
        read = AvroDeserializer(client)(raw, SerializationContext(topic, MessageField.VALUE))
    assert read == mirrored(running, name)
    assert ("INTEGER", "SCHEMA") == (read["keyType"], read["valueType"])
    assert "name: String" in read["schema"]


def test_it_is_in_no_list_and_can_be_described(running: Running, topic: str, name: str) -> None:
    create(running, name)
    until(lambda: mirrored(running, name) is not None)
    for command in (("topic", "list"), ("mirror", "list"), ("status",)):
        assert topic not in running.quick(*command)
    described = running.quick("topic", "describe", topic)
    assert f"Name: {topic}" in described
    assert "type AvroTopicData" in described
    assert f'"name":"{name}"' in running.quick("get", topic, name)


def test_only_quick_writes_it(running: Running, topic: str, name: str) -> None:
    sdl = f"""type Query {{ a: Int }} type Entry {{ name: String! }} input NewEntry {{ name: String! }}
      type Mutation {{ set(name: String!, entry: NewEntry): Entry @topic(name: "{topic}") }}"""
    with running.http() as http:
        written = http.post(f"/ingest/{topic}", json={"key": "x", "value": told("x")})
        deleted = http.delete(f"/ingest/{topic}/{name}")
        for answer in (written, deleted):
            assert (400, True) == (answer.status_code, "is read only: Quick writes there" in answer.text)
        for path in (f"/manager/topic/{topic}", f"/manager/topic/{topic}/mirror"):
            assert "belongs to the system" in http.delete(path).text, path
        created = http.post(f"/manager/topic/{topic}", params={"keyType": "long", "valueType": "string"}, json={})
        assert "belong to the system" in created.text
        made = http.post("/manager/gateway", json={"name": name, "schema": sdl})
        assert (400, True) == (made.status_code, "belong to the system" in made.text)
    assert mirrored(running, "x") is None


def test_it_is_right_after_a_kill_and_after_a_stranger_has_deleted_its_topic(
    new_running: Callable[..., Running], name: str
) -> None:
    running = new_running()
    running.start()
    topic, kafka = registry_topic_beside(running.log_topic), KafkaAdmin(running.kafka)
    names = [f"{name}-{number}" for number in range(6)]
    for number, one in enumerate(names):
        create(running, one)
        if number % 2:
            running.stop(signal.SIGKILL)
            running.start()
    until(lambda: all(mirrored(running, one) == told(one) for one in names))

    before = kafka.describe(topic)
    assert before is not None
    kafka.delete_topic(topic)
    create(running, f"{name}-last")  # A change is a reason to look at once.
    until(lambda: (facts := kafka.describe(topic)) is not None and facts.topic_id != before.topic_id)
    until(lambda: all(mirrored(running, one) == told(one) for one in (*names, f"{name}-last")))
    held = held_by(topic, 1, lambda: TopicsConsumer(running.kafka))
    assert {one.encode() for one in (*names, f"{name}-last")} == held.keys()
