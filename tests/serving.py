"""What a broker serves already: a topic is created a moment before its partitions have leaders."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import Watermarks, watermarks
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
