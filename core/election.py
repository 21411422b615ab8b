"""Elects one process among many, by a Kafka consumer group."""

from __future__ import annotations

import logging
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

from core.kafka import client_config

logger = logging.getLogger(__name__)


class Leadership:
    """Elects one process among many: the member of a consumer group that holds the one partition of a topic.

    Membership is static (KIP-345), so that a process that comes back after a kill takes over at once. A leader that
    was paused may believe a moment too long that it still is one; what it does must be conditional on what it sees.

    Args:
        member: Name of this member, the same after a restart.
    """

    SESSION_S = 6.0

    def __init__(self, bootstrap: str, group: str, member: str, topic: str) -> None:
        self._config = client_config(
            bootstrap,
            group_id=group,
            group_instance_id=member,
            session_timeout_ms=int(self.SESSION_S * 1000),
            heartbeat_interval_ms=1_500,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            allow_auto_create_topics=False,
        )
        self._topic = topic
        self._is_assigned = False
        self._polled = time.monotonic()
        self._consumer = self._join()

    def is_held(self) -> bool:
        """Return whether this process leads; ask again before every effect, and at least every few seconds."""
        paused_s = time.monotonic() - self._polled
        message = self._consumer.poll(0)
        self._polled = time.monotonic()
        error = None if message is None else message.error()
        if error is not None:
            logger.info("electing the reconciler: %s", error)
            # Of an error that a poll returns, `fatal()` is false.
            if error.code() == KafkaError._FATAL:  # noqa: SLF001 - a public constant
                self._join_again()
        # After a pause longer than the session somebody else leads, whether the news has arrived or not.
        return self._is_assigned and paused_s < self.SESSION_S

    def close(self) -> None:
        """Leave the election; a static member keeps its place until its session ends."""
        self._consumer.close()

    def _join(self) -> Consumer:
        consumer = Consumer(self._config)
        consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)
        return consumer

    def _join_again(self) -> None:
        """Give up a consumer that takes part no more.

        When the broker has stood still for longer than a session, it may take the member that comes back for a second
        one of the same name, and fence it; that is fatal to the consumer, and no process would ever lead again.
        """
        self._is_assigned = False
        self._consumer.close()
        self._consumer = self._join()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._is_assigned = any(partition.partition == 0 for partition in partitions)
        consumer.assign(partitions)
        consumer.pause(partitions)  # The assignment is what matters; the records are read elsewhere.

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._is_assigned = False
