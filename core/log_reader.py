"""Reads the topic of the log from an offset on, whatever becomes of a consumer.

A consumer of librdkafka can stop giving records for ever and without a word: seen of a topic that was created a moment
before, told by others of brokers that were restarted. Nothing would be recorded from then on. So one that gives
nothing while there is something to be read is replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_reader import log_consumer, next_batch, partition_end, watermarks

logger = logging.getLogger(__name__)

SILENCE_S: Final = 2.0
"""How long nothing comes before it is asked whether there is something. If so twice, the consumer is replaced: while
an append still waits to be read back."""

LONGEST_SILENCE_S: Final = 60.0
"""To this length it grows while one consumer after the other gives nothing: each has to connect first, and where that
takes longer than two silences none would ever come to give anything."""

_ANSWER_S: Final = 1.0
"""How long a consumer has for that answer."""


class LogReader:
    """Hands out what the topic holds, and its end.

    Args:
        bootstrap: Brokers as `HOST:PORT`.
        topic: Name of the topic.
        offset: Where to begin.
        on_error: Told of errors of the connection, by librdkafka in `next_batch`.
        on_replaced: Told when a consumer was replaced. The new one has not heard what became of the topic meanwhile.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        offset: int,
        on_error: Callable[[KafkaError], None],
        on_replaced: Callable[[], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._on_error = on_error
        self._on_replaced = on_replaced
        self._offset = offset
        self._was_behind = False
        self._silence_s = SILENCE_S
        self._begin()

    def next_batch(self, *, limit: int, timeout_s: float) -> list[Message]:
        """Return the records and events at hand, at most *limit*, after waiting at most *timeout_s* for the first."""
        messages = next_batch(self._consumer, limit=limit, timeout_s=timeout_s)
        self._note(messages)
        if time.monotonic() - self._heard_at >= self._silence_s:
            self._look()
        return messages

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _begin(self) -> None:
        self._consumer = log_consumer(self._bootstrap, self._topic, self._offset, self._on_error)
        self._heard_at = time.monotonic()

    def _note(self, messages: list[Message]) -> None:
        """Keep how far *messages* go. The last one tells: behind a record there may be its end, or an error."""
        for message in reversed(messages):
            if (next_offset := _next_offset(message)) is not None:
                self._offset = next_offset
                self._heard_at = time.monotonic()
                self._was_behind = False
                self._silence_s = SILENCE_S
                return

    def _look(self) -> None:
        """Replace the consumer if it was behind at the last look too: what comes just now it has not told yet."""
        is_behind = self._is_behind()
        if is_behind and self._was_behind:
            logger.warning(
                "%s[0]@%s: the consumer gives nothing, though there is more. It is replaced.", self._topic, self._offset
            )
            self._consumer.close()
            self._begin()
            self._on_replaced()
            self._silence_s = min(2 * self._silence_s, LONGEST_SILENCE_S)
            is_behind = False
        self._was_behind = is_behind
        self._heard_at = time.monotonic()

    def _is_behind(self) -> bool:
        """Return whether the topic holds more than was handed out; not while no broker answers."""
        try:
            marks = self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=_ANSWER_S)
        except KafkaException as error:
            logger.debug("asking the consumer of %s: %s", self._topic, error)
            marks = None
        if marks is not None:
            return bool(marks[1] > self._offset)
        # What this client does not know, another one may.
        try:
            return watermarks(self._bootstrap, self._topic, isolation_level="read_uncommitted")[0].high > self._offset
        except (KafkaUnavailableError, KafkaRefusedError) as error:
            logger.debug("asking for the end of %s: %s", self._topic, error)
            return False


def _next_offset(message: Message) -> int | None:
    """Return the offset behind a record or an end, `None` for an error."""
    if (end := partition_end(message)) is not None:
        return end.offset
    if message.error() is not None:
        return None
    offset = message.offset()
    assert offset is not None, "a consumed record has an offset"
    return offset + 1
