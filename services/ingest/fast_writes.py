"""Records in JSON on the fast path, see `services.fast_path`; the rules are those of `services.ingest.resources`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from core.kafka_batches import Batch
from core.position import Position
from services.fast_path import JSON_LINE, SEGMENT, Begun, FastAnswer
from services.ingest.budget import Budget
from services.ingest.options import JSON, kind_of
from services.ingest.resources import POSITION_HEADER, WriteBody
from services.ingest.topics import IngestTopic, IngestTopics
from services.ingest.writes import Writes, too_large

_PATH: Final = re.compile(rb"/ingest/" + SEGMENT)


class FastWrites:
    """`POST /ingest/{topic}` with records that are written as they are.

    Args:
        topics: Finds topics.
        writes: Writes to them.
        budget: What may be at work; that of Falcon's resource.
    """

    path = _PATH

    def __init__(self, topics: IngestTopics, writes: Writes, budget: Budget) -> None:
        self._topics = topics
        self._writes = writes
        self._budget = budget

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> Begun | None:
        """Hand the records to Kafka; the answer comes with its acknowledgement.

        Raises:
            QuickError: The body cannot be used, the topic not be written to, or too much is at work.
        """
        if kind_of(headers.get(b"content-type", b"application/json").decode("latin-1")) not in JSON:
            return None
        topic = self._topics.known(names[0])
        if topic is None or topic.limit_bytes is None or topic.access.is_immutable or topic.access.dangers:
            return None
        records = topic.reader.read(body)
        if not records or too_large(records, topic.limit_bytes):
            return None
        share = self._budget.take(len(body))
        future = self._writes.send(topic, records, wants_each=False)
        future.add_done_callback(lambda _: share.give_back())
        return Begun(future, partial(_answer, topic))


def _answer(topic: IngestTopic, batch: Batch) -> FastAnswer | None:
    """Return the answer to records that Kafka has acknowledged, `None` where it has not, or has not said where."""
    if batch.error is not None or not batch.is_placed:
        return None
    position = Position(topic.access.topic_id, batch.offsets).token()
    lines = JSON_LINE + f"{POSITION_HEADER.lower()}: {position}\r\n".encode()
    return FastAnswer(lines, msgspec.json.encode(WriteBody(position)))
