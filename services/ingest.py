"""The ingest service: records over REST, acknowledged when Kafka has acknowledged all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import falcon
import falcon.asgi

from core.errors import InvalidInputError, KafkaUnavailableError, NotFoundError
from core.json_values import node_type, shown
from core.kafka_writer import DELIVERY_TIMEOUT_S, OutRecord
from core.position import Position
from services.request_body import read_json
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker


class IngestTopicResource:
    """`/ingest/{topic}`: write pairs, delete keys."""

    def __init__(self, worker: Worker, topics: TopicAccesses) -> None:
        self._worker = worker
        self._topics = topics

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Write one pair or a list of them, in order; one that cannot be used rejects all."""
        access = access_for_ingest(self._topics, topic)
        pairs = _pairs(await read_json(req))
        records = [OutRecord(*_encoded(access, pair)) for pair in pairs]
        resp.media = await write(self._worker, access, records)

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Delete one key or a list of keys; a key that is not there is no error."""
        access = access_for_ingest(self._topics, topic)
        body = await read_json(req)
        keys = body if isinstance(body, list) else [body]
        records = [OutRecord(access.keys.encode(access.keys.from_json(key)), None) for key in keys]
        resp.media = await write(self._worker, access, records)


class IngestKeyResource:
    """`/ingest/{topic}/{key}`: delete one key."""

    def __init__(self, worker: Worker, topics: TopicAccesses) -> None:
        self._worker = worker
        self._topics = topics

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str) -> None:
        """Delete the key that the path names."""
        access = access_for_ingest(self._topics, topic)
        tombstone = OutRecord(access.keys.encode(access.keys.from_text(key)), None)
        resp.media = await write(self._worker, access, [tombstone])


def access_for_ingest(topics: TopicAccesses, name: str) -> TopicAccess:
    """Return the access to a topic, with this service's own sentence for one that does not exist."""
    try:
        return topics.topic(name)
    except NotFoundError as error:
        raise InvalidInputError(f"Topic {name} does not exists.") from error


async def write(worker: Worker, access: TopicAccess, records: Sequence[OutRecord]) -> dict[str, str]:
    """Write *records* and return the body of the answer once Kafka has acknowledged all of them.

    Raises:
        KafkaUnavailableError: At least one was not acknowledged in time; any of them may be in the topic.
    """
    acknowledged = asyncio.wrap_future(worker.writer.write(access.name, records))
    try:
        written = await asyncio.wait_for(acknowledged, DELIVERY_TIMEOUT_S + 1)
    except TimeoutError as error:
        raise KafkaUnavailableError("Kafka did not acknowledge in time. Send the records again.") from error
    return {"position": Position.of(access.topic_id, written).token()}


def _pairs(body: Any) -> list[Any]:
    if isinstance(body, dict):
        return [body]
    if isinstance(body, list):
        return body
    raise InvalidInputError(f"Expected key-value object or list of key-value objects. Got: {node_type(body).upper()}")


def _encoded(access: TopicAccess, pair: Any) -> tuple[bytes, bytes]:
    if not isinstance(pair, dict) or "key" not in pair or "value" not in pair:
        raise InvalidInputError(f"Could not find 'key' or 'value' fields in: {shown(pair)}")
    key = access.keys.encode(access.keys.from_json(pair["key"]))
    return key, access.values.encode(access.values.from_json(pair["value"]))
