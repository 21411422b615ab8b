"""Writing to Kafka from the event loop: records in, their acknowledgements out, within a bound of time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from core.errors import KafkaUnavailableError
from core.kafka_batches import Batch, BatchWriter
from core.kafka_writer import OutRecord

logger = logging.getLogger(__name__)

LINGER_MS: Final = 1.0
"""How long a record waits for company; it costs less than the request around it."""

BULK_LINGER_MS: Final = 2.0
"""The same for batches, which ask the broker less often then; a longer wait leaves 32 clients waiting for it."""

DELIVERY_TIMEOUT_S: Final = 8.0
"""Longest wait for the acknowledgement of a record; then its outcome is unknown."""

GIVE_UP_S: Final = DELIVERY_TIMEOUT_S + 2
"""After this time a wait is ended in any case."""

COLLECT_EVERY_S: Final = 0.001
"""How often acknowledgements are collected while some are awaited."""


class Acknowledgements:
    """The producers of a worker, and the collecting of their acknowledgements. To be used in one event loop."""

    def __init__(self, bootstrap: str) -> None:
        self._writer = BatchWriter(
            bootstrap, linger_ms=LINGER_MS, bulk_linger_ms=BULK_LINGER_MS, delivery_timeout_s=DELIVERY_TIMEOUT_S
        )
        self._is_collecting = self._is_flushing = False
        self._awaited: deque[tuple[float, asyncio.Future[Batch]]] = deque()

    def close(self) -> None:
        """Deliver what is queued, within the delivery bound."""
        self._writer.close(DELIVERY_TIMEOUT_S)

    def send(
        self, topic: str, records: Sequence[OutRecord], *, limit_bytes: int, wants_each: bool
    ) -> asyncio.Future[Batch]:
        """Send *records*, at least one, in order; the future holds what became of them.

        It fails with KafkaUnavailableError when librdkafka does not say in time, which it should.

        Args:
            topic: Name of the Kafka topic.
            records: At least one.
            limit_bytes: What the topic takes at once.
            wants_each: Whether the place of each record is wanted.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Batch] = loop.create_future()

        def done(batch: Batch) -> None:
            if not future.done():  # Who asked may have gone.
                future.set_result(batch)

        self._writer.write(topic, records, done, limit_bytes=limit_bytes, wants_each=wants_each)
        self._awaited.append((loop.time() + GIVE_UP_S, future))
        if not self._is_flushing:  # Requests that are read in the same round of the loop are sent together.
            self._is_flushing = True
            loop.call_soon(self._flush)
        if not self._is_collecting:
            self._is_collecting = True
            loop.call_later(COLLECT_EVERY_S, self._collect, loop)
        return future

    def _flush(self) -> None:
        self._is_flushing = False
        self._writer.flush()

    def _collect(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            is_awaiting = self._writer.collect()
        except Exception:
            logger.exception("acknowledgements could not be collected")
            is_awaiting = True
        self._give_up_overdue(loop.time())
        if is_awaiting:
            loop.call_later(COLLECT_EVERY_S, self._collect, loop)
        else:
            self._is_collecting = False

    def _give_up_overdue(self, now: float) -> None:
        """End waits that librdkafka should have ended. One look for all of them costs less than a timer for each."""
        while self._awaited and (self._awaited[0][1].done() or self._awaited[0][0] < now):
            _, future = self._awaited.popleft()
            if not future.done():
                future.set_exception(
                    KafkaUnavailableError(
                        "Kafka did not acknowledge in time; the records may be written all the same. Send them again."
                    )
                )
