"""`/ingest/…`: records over REST, acknowledged when Kafka has acknowledged all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from core.kafka_writer import OutRecord
from services.fast_path import BEGUN
from services.ingest.binary import binary_record
from services.ingest.budget import Budget
from services.ingest.ndjson import Upload
from services.ingest.options import (
    BINARY_PARAMETERS,
    JSON,
    NDJSON,
    Options,
    content_type_of,
    options_of,
    percent_decoded,
)
from services.ingest.pairs import MAX_RECORDS
from services.ingest.topics import IngestTopic, IngestTopics
from services.ingest.writes import Outcome, Writes
from services.request_body import read_body, refuse_too_long, refuse_too_many

POSITION_HEADER = "Quick-Position"
"""Response header with the position of a write: a read that sends it back as `Quick-At-Least` includes the write."""


class WriteBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a write is answered with."""

    position: str | None = None
    verdicts: Sequence[Any] | None = None
    """A `Verdict` on each record, where that was asked for: unions without tags are only written, never described."""
    valid: int | None = None
    """How many records would be written, for a dry run."""


class IngestTopicResource:
    """`/ingest/{topic}`: write records, delete keys."""

    def __init__(self, topics: IngestTopics, writes: Writes, budget: Budget) -> None:
        self._topics = topics
        self._writes = writes
        self._budget = budget

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Write one record, a list of them, or one a line; what cannot be used is refused with its reason."""
        if (begun := req.scope.get(BEGUN)) is not None:
            outcome = await self._writes.sent(await self._topics.topic(topic), begun)
            if outcome is not None:
                _answer(resp, outcome, (), Options())
                return
        kind = content_type_of(req)
        if kind in NDJSON:
            await self._stream(req, resp, topic)
            return
        options = _options(req, frozenset() if kind in JSON else BINARY_PARAMETERS)
        target = await self._topics.topic(topic)
        refuse_too_long(req)
        with self._budget.take(req.content_length or 0) as share:
            body = await read_body(req, on_chunk=share.grow)
            records = (
                target.reader.read(body, strict=options.is_strict)
                if kind in JSON
                else [binary_record(req, kind, body, target.access)]
            )
            refuse_too_many(len(records), MAX_RECORDS)
            _answer(resp, await self._writes.write(target, records, options), records, options)

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Delete one key or a list of keys; a key that is not there is no error."""
        if (kind := content_type_of(req)) not in JSON:
            raise falcon.HTTPUnsupportedMediaType(description=f"Keys are sent as JSON, and the body is {kind}.")
        options = _options(req)
        target = _deletable(await self._topics.topic(topic))
        refuse_too_long(req)
        with self._budget.take(req.content_length or 0) as share:
            records = target.reader.read_keys(await read_body(req, on_chunk=share.grow))
            refuse_too_many(len(records), MAX_RECORDS)
            _answer(resp, await self._writes.write(target, records, options), records, options)

    async def _stream(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        options = _options(req)
        target = await self._topics.topic(topic)
        upload = Upload(req.stream, target, self._writes, self._budget, options)
        resp.content_type = "application/x-ndjson"
        resp.stream = await upload.begin()


class IngestKeyResource:
    """`/ingest/{topic}/{key}`: delete one key."""

    def __init__(self, topics: IngestTopics, writes: Writes) -> None:
        self._topics = topics
        self._writes = writes

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str, key: str) -> None:
        """Delete the key that the path names."""
        options = _options(req)
        target = _deletable(await self._topics.topic(topic))
        keys = target.access.keys
        records = [OutRecord(keys.encode(keys.from_text(_key_in_path(req, topic))), None)]
        _answer(resp, await self._writes.write(target, records, options), records, options)


def _options(req: falcon.asgi.Request, also: frozenset[str] = frozenset()) -> Options:
    options = options_of(req, also)
    req.context.wants_verdicts = options.wants_verdicts  # Errors tell of each record too.
    return options


def _deletable(topic: IngestTopic) -> IngestTopic:
    if topic.access.is_immutable:
        raise InvalidInputError(
            f"Topic {topic.access.name} is immutable: nothing of it is deleted. Delete the topic, or write other keys."
        )
    return topic


def _key_in_path(req: falcon.asgi.Request, topic: str) -> str:
    """Return the key exactly as the path has it: what Falcon hands on has lost a slash at the end, and stray bytes.

    Raises:
        InvalidInputError: It is no UTF-8, or the name of the topic holds a slash.
    """
    _, _, name, key = req.scope["raw_path"].decode().split("/", 3)
    if percent_decoded(name, "name of the topic") != topic:
        raise InvalidInputError("The name of a topic holds no slash. Send DELETE /ingest/TOPIC/KEY")
    return percent_decoded(key.removesuffix("/"), "key in the path")


def _answer(resp: falcon.asgi.Response, outcome: Outcome, records: Sequence[OutRecord], options: Options) -> None:
    if outcome.position is not None:
        resp.set_header(POSITION_HEADER, outcome.position)
    resp.content_type = falcon.MEDIA_JSON
    resp.data = msgspec.json.encode(
        WriteBody(
            outcome.position,
            outcome.verdicts if options.wants_verdicts else None,
            len(records) if options.is_dry_run else None,
        )
    )
