"""What tests of the ingest service share: topics of each type, what a topic really holds, and requests byte by byte."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from core.kafka import client_config
from core.kafka_reader import next_batch
from tests.running import API_KEY, Running
from tests.serving import served_ends

SDL = """
type Query { a: Int }
type Item { id: Int!  name: String!  price: Float  kind: Kind  parts: [Part!]  big: Long  flag: Boolean }
type Part { code: String! }
enum Kind { GOOD BAD }
"""

ITEM = {"id": 1, "name": "n", "price": 1.5, "kind": "GOOD", "parts": [{"code": "c"}], "big": 2**62, "flag": True}

KINDS = ("string", "integer", "long", "double", "schema")

ANSWER_TIMEOUT_S = 60
"""Longest wait for an answer: who gets none fails, instead of hanging."""


def make_topics(running: Running) -> dict[str, str]:
    """Make a topic of each type and return its name; the keys of the schema topic are longs."""
    names = {kind: f"ingest-{kind}-{uuid.uuid4().hex[:8]}" for kind in KINDS}
    gateway = f"ingest-{uuid.uuid4().hex[:8]}"
    with running.http() as http:
        assert 200 == http.post("/manager/gateway", json={"name": gateway, "schema": SDL}).status_code
    for kind, name in names.items():
        schema = {"valueSchema": {"gateway": gateway, "type": "Item"}} if kind == "schema" else {}
        make_topic(running, name, key="long" if kind == "schema" else kind, value=kind, **schema)
    return names


def make_topic(running: Running, name: str, *, key: str = "string", value: str = "string", **body: object) -> str:
    """Make a topic and return its name."""
    with running.http() as http:
        answer = http.post(f"/manager/topic/{name}", params={"keyType": key, "valueType": value}, json=body)
    assert 200 == answer.status_code, answer.text
    return name


def new_topic(running: Running, *, key: str = "string", value: str = "string") -> str:
    """Make a topic under a name of its own and return that."""
    return make_topic(running, f"ingest-{uuid.uuid4().hex[:12]}", key=key, value=value)


def ends(kafka: str, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Return the offsets at which the partitions of *topics* end."""
    found = {}
    for topic in topics:
        partitions = _partitions(kafka, topic)
        found[topic] = served_ends(kafka, topic, partitions, isolation_level="read_uncommitted")
    return found


def content(kafka: str, topic: str, *, waits: bool = True) -> list[Message]:
    """Return all committed records of *topic*, from the beginning to its end now, one partition after the other.

    Args:
        waits: For transactions under way. Kafka says that one is committed before readers can see its records.
    """
    config = client_config(
        kafka,
        group_id="nobody",
        enable_auto_commit=False,
        enable_partition_eof=True,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    consumer = Consumer(config)
    by_partition: dict[int, list[Message]] = {}
    try:
        to_read = ends(kafka, [topic])[topic]
        consumer.assign([TopicPartition(topic, partition, 0) for partition in to_read])
        while to_read:
            messages = next_batch(consumer, limit=10_000, timeout_s=ANSWER_TIMEOUT_S)
            assert messages, "the broker sends nothing more, and no end either"
            for message in messages:
                error = message.error()
                if error is None:
                    by_partition.setdefault(message.partition(), []).append(message)
                else:
                    assert error.name() == "_PARTITION_EOF", error
                    if not waits or message.offset() >= to_read[message.partition()]:
                        del to_read[message.partition()]
    finally:
        consumer.close()
    return [message for partition in sorted(by_partition) for message in by_partition[partition]]


def texts(kafka: str, topic: str, *, waits: bool = True) -> list[tuple[str, str | None]]:
    """Return keys and values of a topic of strings, in the order of the topic within each partition."""
    return [
        (message.key().decode(), None if message.value() is None else message.value().decode())
        for message in content(kafka, topic, waits=waits)
    ]


class Answer(NamedTuple):
    """An answer that was read from a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def connect(running: Running) -> socket.socket:
    """Return a connection that fails instead of waiting for ever."""
    return socket.create_connection(("127.0.0.1", running.port), timeout=ANSWER_TIMEOUT_S)


def head(method: str, target: str, *headers: str, authorized: bool = True) -> bytes:
    """Return the head of a request."""
    key = (f"X-API-Key: {API_KEY}",) if authorized else ()
    lines = (f"{method} {target} HTTP/1.1", "Host: localhost", *key, *headers)
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def exchange(running: Running, request: bytes, *, ends_there: bool = False) -> Answer | None:
    """Send the bytes of *request* and return the answer, `None` when the server just closed the connection.

    Args:
        ends_there: Whether the client says that it sends nothing more.
    """
    with connect(running) as connection:
        try:
            connection.sendall(request)
            if ends_there:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has answered before it had read everything.
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer | None:
    """Return the next answer, `None` when the server closed the connection without one."""
    try:
        with connection.makefile("rb") as stream:
            first = stream.readline()
            if not first:
                return None
            headers = {}
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers["content-length"])) if "content-length" in headers else stream.read()
    except ConnectionResetError:
        return None
    return Answer(int(first.split()[1]), headers, body)


def chunk(data: bytes) -> bytes:
    """Return *data* as a chunk of a chunked body; nothing is its end."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _partitions(kafka: str, topic: str) -> int:
    consumer = Consumer(client_config(kafka, group_id="nobody"))
    try:
        return len(consumer.list_topics(topic, ANSWER_TIMEOUT_S).topics[topic].partitions)
    finally:
        consumer.close()
