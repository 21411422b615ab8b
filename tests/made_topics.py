"""Kafka topics of tests: made, and served before anybody goes on."""

from __future__ import annotations

from collections.abc import Iterable

from core.kafka_admin import KafkaAdmin
from tests.running import until


def made_topic(kafka: str, name: str, partitions: int = 1, **config: str) -> str:
    """Create a topic with settings such as `max_message_bytes`, wait until the broker serves it, return its name."""
    admin = KafkaAdmin(kafka)
    settings = {setting.replace("_", "."): value for setting, value in config.items()}
    admin.create_topic(name, partitions=partitions, replication_factor=1, config=settings)
    until_led(admin, [name], partitions)
    return name


def until_led(admin: KafkaAdmin, names: Iterable[str], partitions: int) -> None:
    """Wait until topics that were created a moment ago have leaders: that comes a moment after they are created."""
    wanted = dict.fromkeys(names, partitions)
    until(lambda: wanted == {name: len(lows) for name, lows in admin.low_watermarks(wanted).items()})
