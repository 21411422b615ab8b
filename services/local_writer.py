"""The gateway's port to writing, over what ingest writes with: what ingest refuses, a mutation may not do either."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Final

from core.errors import KafkaUnavailableError, QuickError, UnavailableError
from core.kafka_writer import OutRecord, Written
from services.gateway.writing import UnknownOutcomeError, WriteOutcome, WriteTarget
from services.ingest.options import Options
from services.ingest.topics import IngestTopic, IngestTopics
from services.ingest.verdicts import PartlyWrittenError, RefusedVerdict, WrittenVerdict
from services.ingest.writes import Writes, refuse_unsafe
from services.topic_access import TopicAccesses
from services.worker import Worker

WRITE_TIMEOUT_S: Final = 30.0
"""Longest wait of a thread for a write. Ingest itself gives up earlier and knows more, unless its loop is held up."""

_EACH: Final = Options(wants_verdicts=True)


class LocalWriter:
    """Writes as ingest does; implements `services.gateway.writing.TopicWriter`. Blocks, so use threads.

    Args:
        worker: The process-wide parts; writes happen in its event loop.
        accesses: Finds topics.
        topics: What ingest keeps of them.
        writes: All writes of the process.
        timeout_s: Longest wait of a thread for one write.
    """

    def __init__(
        self,
        worker: Worker,
        accesses: TopicAccesses,
        topics: IngestTopics,
        writes: Writes,
        *,
        timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self._worker = worker
        self._accesses = accesses
        self._topics = topics
        self._writes = writes
        self._timeout_s = timeout_s

    def target(self, topic: str) -> WriteTarget:
        """Return a topic as it is declared now."""
        return self._accesses.topic(topic)

    def write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        """Write *records* in order, and return once Kafka has acknowledged what is told to be written."""
        if not records:
            return WriteOutcome(None, {})
        loop = self._worker.loop
        if loop is None:
            raise UnavailableError("This process is not started yet. Nothing was written. Repeat the request.")
        writing = asyncio.run_coroutine_threadsafe(self._write(target, records), loop)
        try:
            return writing.result(self._timeout_s)
        except QuickError:  # Some of ours are timeouts too.
            raise
        except (TimeoutError, CancelledError) as error:
            writing.cancel()  # What has not begun does not begin any more.
            raise UnknownOutcomeError(
                target.name, f"there was no answer within {self._timeout_s:g} s, or this process ends."
            ) from error

    async def _write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        topic = await self._topics.topic(target.name)
        if topic.access.keys is not target.keys or topic.access.values is not target.values:
            raise UnavailableError(
                f"Topic {target.name} was just declared anew. Nothing was written. Repeat the request."
            )
        try:
            if topic.access.is_immutable:
                return await self._write_once(topic, records)
            return await self._write_any(topic, records)
        except KafkaUnavailableError as error:
            raise UnknownOutcomeError(target.name, str(error)) from error

    async def _write_any(self, topic: IngestTopic, records: Sequence[OutRecord]) -> WriteOutcome:
        try:
            outcome = await self._writes.write(topic, records, _EACH)
        except PartlyWrittenError as error:
            verdicts = error.verdicts
            places = [Written(each.partition, each.offset) for each in verdicts if isinstance(each, WrittenVerdict)]
            cause = error.cause or error
            lost: dict[int, QuickError] = {each.index: cause for each in verdicts if isinstance(each, RefusedVerdict)}
            return await self._outcome(topic, places, lost)
        return WriteOutcome(outcome.position, {})

    async def _write_once(self, topic: IngestTopic, records: Sequence[OutRecord]) -> WriteOutcome:
        """Write to an immutable topic the keys that it does not have yet."""
        refuse_unsafe(topic)
        await self._writes.refuse_too_large(topic, records)
        outcomes = await self._writes.write_once(topic, records)
        places = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        return await self._outcome(
            topic, places, {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, QuickError)}
        )

    async def _outcome(
        self, topic: IngestTopic, places: Sequence[Written], errors: dict[int, QuickError]
    ) -> WriteOutcome:
        position = await self._writes.position(topic.access, places)
        return WriteOutcome(position, {index: _told(topic.access.name, error) for index, error in errors.items()})


def _told(topic: str, error: QuickError) -> QuickError:
    """Return *error*, or that the outcome is unknown where Kafka has not said it."""
    return UnknownOutcomeError(topic, str(error)) if isinstance(error, KafkaUnavailableError) else error
