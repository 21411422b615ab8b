"""What a broker really serves: it agrees to a change first, shows it then, and goes by it a moment later."""

from __future__ import annotations

import time

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import Watermarks, watermarks
from tests.altering import alter_topic
from tests.running import until

_MARK = "flush.ms"
"""A setting of topics that changes nothing here."""


def served_watermarks(
    kafka: str, topic: str, partitions: int = 1, *, isolation_level: str = "read_committed"
) -> dict[int, Watermarks]:
    """Return the watermarks of partitions, as soon as each of them has a leader that knows of it."""
    found: dict[int, Watermarks] = {}

    def are_told() -> bool:
        try:
            found.update(watermarks(kafka, topic, partitions, isolation_level=isolation_level))
        except (KafkaUnavailableError, KafkaRefusedError):  # What is new is not known everywhere yet.
            return False
        return True

    until(are_told)
    return found


def served_ends(
    kafka: str, topic: str, partitions: int = 1, *, isolation_level: str = "read_committed"
) -> dict[int, int]:
    """Return where partitions end, as soon as each of them has a leader that knows of it."""
    marks = served_watermarks(kafka, topic, partitions, isolation_level=isolation_level)
    return {partition: mark.high for partition, mark in marks.items()}


def alter_in_force(kafka: str, topic: str, setting: str, value: str) -> None:
    """Change one setting of a topic, and wait until what is written to the topic is measured by it.

    A broker takes one change after the other, and shows each before it goes by it: when it shows the second, it goes
    by the first.
    """
    admin = KafkaAdmin(kafka)
    for changed, to in ((setting, value), (_MARK, str(time.time_ns()))):
        alter_topic(kafka, topic, changed, to)
        until(lambda changed=changed, to=to: admin.topic_config(topic).get(changed) == to)  # type: ignore[misc]
