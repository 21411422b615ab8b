"""Changes of Kafka topics as somebody makes them behind our back."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from core.kafka_admin import KafkaAdmin
from tests.running import until
from tests.serving import until_led

TIMEOUT_S: Final = 60.0
"""Longest wait for the answer to a request."""

_MARK: Final = "flush.ms"
"""A setting of topics that changes nothing here."""


def alter_topic(kafka: str, topic: str, setting: str, value: str) -> None:
    """Change one setting of a topic, and wait until the broker tells it, which is later than it takes it."""
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)

    def is_told() -> bool:
        asked = ConfigResource(ResourceType.TOPIC, topic)
        return bool(admin.describe_configs([asked])[asked].result(TIMEOUT_S)[setting].value == value)

    until(is_told)


def alter_in_force(kafka: str, topic: str, setting: str, value: str) -> None:
    """Change one setting of a topic, and wait until what is written to the topic is measured by it.

    A broker takes one change after the other, and shows each before it goes by it: when it shows the second, it goes
    by the first.
    """
    alter_topic(kafka, topic, setting, value)
    alter_topic(kafka, topic, _MARK, str(time.time_ns()))


def add_partitions(kafka: str, topic: str, total: int) -> None:
    """Give a topic more partitions, and wait until each has a leader."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_partitions([NewPartitions(topic, total)])[topic].result(TIMEOUT_S)
    until_led(KafkaAdmin(kafka), [topic], total)


def delete_records(kafka: str, topic: str, partition: int, before: int) -> None:
    """Remove the records of a partition that lie before an offset."""
    admin = AdminClient({"bootstrap.servers": kafka})
    (deleted,) = admin.delete_records([TopicPartition(topic, partition, before)]).values()
    deleted.result(TIMEOUT_S)
