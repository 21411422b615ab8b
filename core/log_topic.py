"""The Kafka topic that holds the command log: made when absent, checked before it is trusted.

An offset alone does not identify a log: a topic created again is skipped up to the old offset, a truncated one
renumbers everything. So whatever is derived from a log is keyed by cluster ID and topic ID and remembers the hash of
the last record it has folded.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from confluent_kafka import KafkaError

from core.errors import ConflictError, KafkaUnavailableError, LogIdentityError, NotFoundError, UnsafeLogError
from core.kafka_admin import KafkaAdmin, TopicFacts
from core.kafka_reader import Watermarks, log_consumer, next_batch, partition_end, watermarks

logger = logging.getLogger(__name__)

LOG_CONFIG: Mapping[str, str] = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(8 * 1024 * 1024),
}
"""Settings of a new log topic: nothing is ever removed, times are the broker's."""

REPLICATED_CONFIG: Mapping[str, str] = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
"""Settings of one with replicas beside those: what was acknowledged survives the loss of a broker."""

_RECORD_TIMEOUT_S = 10.0

T = TypeVar("T")


class LogIdentity(NamedTuple):
    """Which log this is: a topic of the same name on another cluster, or created again, is another one."""

    cluster_id: str
    topic_id: str

    @property
    def folder_name(self) -> str:
        """Return the identity as a name that every file system takes."""
        return f"{self.cluster_id}.{self.topic_id}".replace("/", "_").replace("+", "-")


class LogTopic:
    """The topic *name* on the cluster at *bootstrap*."""

    def __init__(self, bootstrap: str, name: str, *, replication_factor: int = 1) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self._replication_factor = replication_factor
        self._admin = KafkaAdmin(bootstrap)

    def ensure(self) -> LogIdentity:
        """Create the topic when it is absent, refuse it when it could lose commands, and return its identity.

        Raises:
            UnsafeLogError: Its settings could lose commands, or it has lost some already; says all that was found.
            KafkaUnavailableError: No broker answered.
        """
        if self._admin.describe(self.name) is None:
            self._create()
        identity = self._await_shown(self.identity)
        if dangers := self._await_shown(self._dangers):
            raise UnsafeLogError("\n".join(dangers))
        return identity

    def identity(self) -> LogIdentity | None:
        """Return the identity of the topic as it is now, `None` when there is no such topic."""
        topic_id = self.topic_id()
        return None if topic_id is None else LogIdentity(self.cluster_id(), topic_id)

    def topic_id(self) -> str | None:
        """Return Kafka's ID of the topic as it is now, `None` when there is no such topic."""
        facts = self._admin.describe(self.name)
        return None if facts is None else facts.topic_id

    def cluster_id(self) -> str:
        """Return the ID of the cluster that answers."""
        return self._admin.cluster_id()

    def dangers(self) -> list[str]:
        """Return what could lose commands, or has lost some: a sentence each, with what would be lost and the way out.

        Raises:
            KafkaUnavailableError: No broker answered.
        """
        found = self._dangers()
        if found is None:
            return [f"The log topic {self.name} was deleted: all commands are lost. Restore them from an export."]
        return found

    def end_offset(self) -> int:
        """Return the offset of the next record to be appended."""
        return self._watermarks().high

    def check_record(self, offset: int, sha256: bytes) -> None:
        """Read the record at *offset* again and compare.

        Raises:
            LogIdentityError: It is gone, or another one.
            KafkaUnavailableError: It could not be read in time.
        """
        try:
            raw = self.read(offset)
        except NotFoundError as error:
            raise LogIdentityError(f"{error} But it was read before: records are lost.") from error
        if hashlib.sha256(raw or b"").digest() != sha256:
            raise LogIdentityError(
                f"The record at {self.name}[0]@{offset} is not the one that was read before: the log was replaced."
            )

    def read(self, offset: int) -> bytes | None:
        """Return the value of the record at *offset*.

        Raises:
            NotFoundError: The topic holds no such offset.
            KafkaUnavailableError: It could not be read in time.
        """
        low, high = self._watermarks()
        if not low <= offset < high:
            held = f"offsets {low} to {high - 1}" if low < high else "nothing"
            raise NotFoundError(f"The log topic {self.name} holds no record at offset {offset}: it holds {held}.")
        consumer = log_consumer(self.bootstrap, self.name, offset, _ignored)
        try:
            messages = next_batch(consumer, limit=1, timeout_s=_RECORD_TIMEOUT_S)
        finally:
            consumer.close()
        is_marker = bool(messages) and partition_end(messages[0]) is not None  # The last offset, and no record.
        if not is_marker and (not messages or messages[0].error() is not None):
            raise KafkaUnavailableError(f"Kafka did not return the record at {self.name}[0]@{offset} in time.")
        if is_marker or messages[0].offset() != offset:
            raise NotFoundError(
                f"The log topic {self.name} holds no record at offset {offset}: a transaction ended there."
            )
        return messages[0].value()

    def _dangers(self) -> list[str] | None:
        """Return what could lose commands, `None` when there is no such topic, or none any more."""
        facts = self._admin.describe(self.name)
        config = self._admin.topic_configs([self.name]).get(self.name)
        if facts is None or config is None:
            return None
        found = dangers_of(facts, config)
        low = self._watermarks().low
        if low > 0:
            found.append(
                f"The log topic {self.name} begins at offset {low}: the commands before it are lost, and with them the"
                " numbering of all others. Export a complete index (quick log export FILE --data-dir FOLDER) and"
                " restore it into an empty cluster."
            )
        return found

    def _create(self) -> None:
        try:
            self._admin.create_topic(
                self.name,
                partitions=1,
                replication_factor=self._replication_factor,
                config={**LOG_CONFIG, **(REPLICATED_CONFIG if self._replication_factor > 1 else {})},
            )
            logger.info("created the log topic %s", self.name)
        except ConflictError:
            logger.debug("the log topic %s was created by another process at the same time", self.name)

    def _await_shown(self, ask: Callable[[], T | None]) -> T:
        """Return what *ask* says of the topic; of one that was created a moment ago, each broker hears in its time."""
        deadline = time.monotonic() + _RECORD_TIMEOUT_S
        while (answer := ask()) is None:
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"Kafka does not show the log topic {self.name} now. Try again.")
            time.sleep(0.02)
        return answer

    def _watermarks(self) -> Watermarks:
        """Return where the log begins and ends; a topic that was created a moment ago may need a leader first."""
        deadline = time.monotonic() + _RECORD_TIMEOUT_S
        while True:
            try:
                # As the log is read: what an open transaction has written is part of it.
                return watermarks(self.bootstrap, self.name, isolation_level="read_uncommitted")[0]
            except KafkaUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def dangers_of(facts: TopicFacts, config: Mapping[str, str]) -> list[str]:
    """Return which settings of a log topic could lose commands: what would be lost, and how to mend it."""
    found = []
    if facts.partitions != 1:
        found.append(
            f"The log topic {facts.name} has {facts.partitions} partitions: commands in different partitions have"
            " no order. Move its records into a topic with one partition."
        )
    wanted = [
        ("cleanup.policy", "delete", "compaction would remove commands"),
        ("retention.ms", "-1", "commands would be removed after that time"),
        ("retention.bytes", "-1", "commands would be removed beyond that size"),
    ]
    if facts.replicas > 1:
        wanted.append(("unclean.leader.election.enable", "false", "a replica that lags could lead and forget commands"))
        if int(config["min.insync.replicas"]) < 2:  # noqa: PLR2004 - one replica alone may be lost
            loss = "a command could be acknowledged by one broker and lost with it"
            wanted.append(("min.insync.replicas", "2", loss))
    for setting, value, loss in wanted:
        if config[setting] != value:
            found.append(
                f"The log topic {facts.name} has {setting}={config[setting]}: {loss}."
                f" Set it to {value}: kafka-configs --alter --topic {facts.name} --add-config {setting}={value}"
            )
    return found


def _ignored(error: KafkaError) -> None:
    """Take a connection error; librdkafka goes on trying, and the caller's bound ends the wait."""
    logger.debug("while looking at the log topic: %s", error)
