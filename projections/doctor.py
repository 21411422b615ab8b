"""Examines an instance: broker, log, topics, views, clock, disk. Each finding says what is wrong and how to mend it."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from core.errors import KafkaRefusedError, QuickError
from core.kafka import client_version
from core.kafka_admin import KafkaAdmin, TopicFacts
from core.log_index import LogIndex
from core.log_rows import IndexedCommand
from core.log_topic import LogTopic
from core.record import FORMAT, timestamp_of
from core.topic_safety import Watched, look_at, unsafe_settings
from core.topics import Topic, WriteType
from projections.registry import RegistryView, Row
from projections.status import CREATED, StatusView

OK, WARNING, ERROR = "ok", "warning", "error"

CLOCK_SKEW_MS = 5_000
"""More than a produce takes, and less than what confuses people who compare times."""

LOW_DISK_BYTES = 1 << 30
FULL_DISK_BYTES = 100 << 20


class Finding(msgspec.Struct, frozen=True):
    """What one check has found."""

    check: str
    level: str
    text: str
    mend: str | None = None
    """What to do about it."""


class Doctor:
    """Examines one instance.

    Args:
        log_topic: The log's topic.
        index: Its index on this machine.
        status_topic: Name of the topic with the outcomes of the reconcilers.
        registry: The registry of this machine.
        status: The status view of this machine.
        kafka: The cluster.
        data_dir: The data folder.
    """

    def __init__(
        self,
        log_topic: LogTopic,
        index: LogIndex,
        status_topic: str,
        registry: RegistryView,
        status: StatusView,
        kafka: KafkaAdmin,
        data_dir: Path,
    ) -> None:
        self._log_topic = log_topic
        self._index = index
        self._status_topic = status_topic
        self._registry = registry
        self._status = status
        self._kafka = kafka
        self._data_dir = data_dir

    def examine(self) -> list[Finding]:
        """Return what all checks have found; one that cannot be made says so."""
        checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
            ("broker", self._broker),
            ("log", self._log),
            ("status topic", self._outcomes),
            ("topics", self._topics),
            ("views", self._views),
            ("clock", self._clock),
            ("disk", self._disk),
            ("versions", self._versions),
        ]
        return [finding for name, check in checks for finding in _examined(name, check)]

    def _broker(self) -> Iterator[Finding]:
        began = time.monotonic()
        cluster = self._kafka.cluster_id()
        took_ms = (time.monotonic() - began) * 1000
        yield Finding("broker", OK, f"cluster {cluster} answers in {took_ms:.0f} ms")

    def _log(self) -> Iterator[Finding]:
        dangers = self._log_topic.dangers()
        for danger in dangers:
            yield Finding("log", ERROR, danger, "Mend the setting as told, then run: quick log verify")
        facts = self._kafka.describe(self._log_topic.name)
        if facts is not None and facts.replicas == 1:
            yield Finding(
                "log",
                WARNING,
                f"{facts.name} has one replica: with its disk all commands are lost",
                "Give it three in a cluster (kafka-reassign-partitions), and keep exports: quick log export FILE",
            )
        config = self._kafka.topic_config(self._log_topic.name)
        if config["message.timestamp.type"] != "LogAppendTime":
            yield Finding(
                "log",
                WARNING,
                f"{self._log_topic.name} keeps the times that its writers claim",
                f"kafka-configs --alter --topic {self._log_topic.name}"
                " --add-config message.timestamp.type=LogAppendTime",
            )
        if not dangers:
            yield Finding("log", OK, f"{self._log_topic.name}: one partition, and nothing is ever removed")

    def _outcomes(self) -> Iterator[Finding]:
        facts = self._kafka.describe(self._status_topic)
        if facts is None:
            yield Finding(
                "status topic", ERROR, f"Kafka has no topic {self._status_topic}", "Restart Quick: it makes it."
            )
            return
        policy = self._kafka.topic_config(self._status_topic)["cleanup.policy"]
        if policy != "compact" or facts.partitions != 1:
            yield Finding(
                "status topic",
                ERROR,
                f"{self._status_topic} has cleanup.policy={policy} and {facts.partitions} partitions instead of compact"
                " and one: which Kafka topic belongs to which of ours could be forgotten",
                f"kafka-configs --alter --topic {self._status_topic} --add-config cleanup.policy=compact",
            )
        else:
            yield Finding("status topic", OK, f"{self._status_topic}: one partition, compacted")

    def _topics(self) -> Iterator[Finding]:
        rows = self._registry.topics()
        existing = self._kafka.describe_all(row.state.name for row in rows)
        wrong = 0
        for row in rows:
            for finding in self._topic(row, existing.get(row.state.name)):
                wrong += 1
                yield finding
        if not wrong:
            yield Finding("topics", OK, f"all {len(rows)} declared topics are in Kafka as declared")

    def _topic(self, row: Row[Topic], facts: TopicFacts | None) -> Iterator[Finding]:
        topic, status = row.state, self._status.topic(row.state.name, row.incarnation)
        if status is None or status.state != CREATED:
            reason = "it has not been looked at yet" if status is None else status.error or "it is being created"
            mend = "It is tried again until it succeeds; to give it up: quick topic delete " + topic.name
            yield Finding("topics", ERROR, f"topic {topic.name} does not exist in Kafka: {reason}", mend)
        elif facts is None or facts.topic_id != status.topic_id:
            lost = "was deleted in Kafka" if facts is None else "was deleted in Kafka and created again"
            mend = f"Its records are lost. Delete and create it: quick topic delete {topic.name}"
            yield Finding("topics", ERROR, f"topic {topic.name} {lost}, not by Quick", mend)
        else:
            yield from self._settings_of(topic, facts)

    def _settings_of(self, topic: Topic, facts: TopicFacts) -> Iterator[Finding]:
        if topic.write_type is WriteType.IMMUTABLE:
            yield from self._dangers_of(topic, facts)
        elif facts.partitions != topic.partitions:
            yield Finding(
                "topics",
                WARNING,
                f"topic {topic.name} has {facts.partitions} partitions and was declared with {topic.partitions}",
                "Keys may lie in two partitions now. Delete and create the topic, and write its records again.",
            )
        actual = self._kafka.topic_config(topic.name)
        told = _told_as_dangers(topic, facts, actual)
        for setting, wanted in topic.config.items():
            if actual.get(setting) != wanted and setting not in told:
                yield Finding(
                    "topics",
                    WARNING,
                    f"topic {topic.name} has {setting}={actual.get(setting)} and was declared with {wanted}",
                    f"kafka-configs --alter --topic {topic.name} --add-config {setting}={wanted}",
                )

    def _dangers_of(self, topic: Topic, facts: TopicFacts) -> Iterator[Finding]:
        for dangers in look_at(self._kafka, [Watched(topic, facts.topic_id)]).values():
            for danger in dangers:
                yield Finding("topics", ERROR, danger, "Mend it as told. Writes to the topic are refused meanwhile.")

    def _views(self) -> Iterator[Finding]:
        unreadable, stopped = self._index.unreadable(), self._registry.stopped()
        if unreadable is not None:
            yield Finding("views", ERROR, str(unreadable), "Until then reads go on and nothing is recorded.")
        if stopped is not None:
            yield Finding("views", ERROR, f"the registry stands still: {stopped}", "Upgrade this machine.")
        end, folded = self._log_topic.end_offset(), self._index.next_offset()
        last, position = self._index.max_notification_id() or 0, self._registry.position()
        if folded < end and unreadable is None:
            text = f"the index has folded {folded} of {end} records of the log"
            yield Finding("views", WARNING, text, "Look again; if it does not move, restart Quick.")
        if position < last and stopped is None:
            text = f"the registry has applied {position} of {last} events"
            yield Finding("views", WARNING, text, "Look again; if it does not move, restart Quick.")
        if folded >= end and position >= last:
            yield Finding("views", OK, f"index and registry are at the end of the log, position {last}")

    def _clock(self) -> Iterator[Finding]:
        skew_ms = _skew_ms(self._index.commands(limit=1))
        if skew_ms is None:
            yield Finding("clock", OK, "no command to compare clocks by")
        elif abs(skew_ms) > CLOCK_SKEW_MS:
            yield Finding(
                "clock",
                WARNING,
                f"at the last command the clocks of Quick and Kafka were {abs(skew_ms) / 1000:.1f} s apart",
                "Let both follow a time server (NTP).",
            )
        else:
            yield Finding("clock", OK, f"Quick and Kafka agree within {CLOCK_SKEW_MS // 1000} s")

    def _disk(self) -> Iterator[Finding]:
        free = shutil.disk_usage(self._data_dir).free
        text = f"{free / 2**30:.1f} GiB are free at {self._data_dir}"
        mend = "Free some space, or move the data folder: everything in it comes back from Kafka."
        if free < FULL_DISK_BYTES:
            yield Finding("disk", ERROR, text, mend)
        elif free < LOW_DISK_BYTES:
            yield Finding("disk", WARNING, text, mend)
        else:
            yield Finding("disk", OK, text)

    def _versions(self) -> Iterator[Finding]:
        yield Finding(
            "versions",
            OK,
            f"Quick {version('quick-es')}, log format {FORMAT}, Python {platform.python_version()},"
            f" librdkafka {client_version()}",
        )


def _told_as_dangers(topic: Topic, facts: TopicFacts, config: Mapping[str, str]) -> set[str]:
    if topic.write_type is WriteType.MUTABLE:
        return set()
    return {unsafe.setting for unsafe in unsafe_settings(config, replicas=facts.replicas)}


def _skew_ms(last: Sequence[IndexedCommand]) -> int | None:
    """Return how far Quick's clock was ahead of Kafka's at the *last* command, `None` where none tells."""
    if not last or last[0].record.issued_at is None or last[0].record.recorded_at is not None:
        return None
    try:
        return timestamp_of(last[0].record.issued_at) - last[0].time_ms
    except ValueError:
        return None  # Not written by Quick.


def _examined(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except KafkaRefusedError as error:
        yield Finding(name, ERROR, str(error), "Check the rights of Quick's user in Kafka.")
    except QuickError as error:
        yield Finding(name, ERROR, str(error), "Mend that first, then look again.")
