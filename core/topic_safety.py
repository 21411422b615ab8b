"""What would let a later record of a key win in an immutable topic: settings, partitions, records that are gone.

The first record of a key counts, in the order of a partition. So none may ever be removed, by compaction, by
retention or by hand, and a key must not move to another partition. What a setting would lose is refused when a topic
is created and watched afterwards, for anybody can change a topic in Kafka. A danger is gone once its setting is
mended; records that were removed while the topic still begins at offset 0, as compaction does it, cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from core.kafka_admin import KafkaAdmin, TopicFacts
from core.topics import Topic

_ANEW = "That cannot be mended: delete the topic, create it anew, and write its records again."


class UnsafeSetting(NamedTuple):
    """A setting of a Kafka topic with which the first record of a key could be lost."""

    setting: str
    value: str
    wanted: str
    loss: str
    """What would happen."""


class _Rule(NamedTuple):
    setting: str
    wanted: str
    loss: str
    is_unsafe: Callable[[str], bool]


def _compacts(value: str) -> bool:
    return "compact" in [policy.strip() for policy in value.split(",")]


def _is_finite(value: str) -> bool:
    number = _number(value)
    return number is not None and number >= 0


def _is_one_replica(value: str) -> bool:
    number = _number(value)
    return number is not None and number < 2  # noqa: PLR2004 - one replica alone may be lost


def _number(value: str) -> int | None:
    """Return the number that *value* is; Kafka itself refuses what is none."""
    try:
        return int(value)
    except ValueError:
        return None


_RULES = (
    _Rule(
        "cleanup.policy",
        "delete",
        "compaction would remove the first record of a key that is written again, and the later one would win",
        _compacts,
    ),
    _Rule(
        "retention.ms",
        "-1",
        "the first record of a key would be removed after that time, and a later one would win",
        _is_finite,
    ),
    _Rule(
        "retention.bytes",
        "-1",
        "the first record of a key would be removed beyond that size, and a later one would win",
        _is_finite,
    ),
)

_REPLICATED_RULES = (
    _Rule(
        "unclean.leader.election.enable",
        "false",
        "a replica that lags could lead and forget the first record of a key",
        lambda value: value == "true",
    ),
    _Rule(
        "min.insync.replicas",
        "2",
        "the first record of a key could be acknowledged by one broker and lost with it",
        _is_one_replica,
    ),
)


def unsafe_settings(config: Mapping[str, str], *, replicas: int) -> Iterator[UnsafeSetting]:
    """Yield those settings of *config* with which the first record of a key could be lost."""
    for rule in _RULES + (_REPLICATED_RULES if replicas > 1 else ()):
        value = config.get(rule.setting)
        if value is not None and rule.is_unsafe(value):
            yield UnsafeSetting(rule.setting, value, rule.wanted, rule.loss)


def dangers_of_topic(
    topic: Topic, facts: TopicFacts, config: Mapping[str, str], low_watermarks: Mapping[int, int]
) -> list[str]:
    """Return why a later record of a key could win in an immutable topic: what would happen, and the way out.

    Args:
        topic: The topic as it is declared.
        facts: What Kafka says of it.
        config: Its settings as Kafka applies them, defaults included.
        low_watermarks: The offset at which each of its partitions begins.
    """
    found = [
        f"The immutable topic {topic.name} has {unsafe.setting}={unsafe.value}: {unsafe.loss}. Set it to"
        f" {unsafe.wanted}: kafka-configs --alter --topic {topic.name} --add-config {unsafe.setting}={unsafe.wanted}"
        for unsafe in unsafe_settings(config, replicas=facts.replicas)
    ]
    if facts.partitions > topic.partitions:
        found.append(
            f"The immutable topic {topic.name} has {facts.partitions} partitions and was declared with"
            f" {topic.partitions}: a key that was written before could be written again to another partition. {_ANEW}"
        )
    found += (
        f"The immutable topic {topic.name} begins at offset {low} in partition {partition}: the records before it are"
        f" lost, and with them the first ones of their keys. {_ANEW}"
        for partition, low in sorted(low_watermarks.items())
        if low > 0
    )
    return found


class Watched(NamedTuple):
    """An immutable topic and Kafka's ID of the one that belongs to it."""

    topic: Topic
    topic_id: str


def look_at(kafka: KafkaAdmin, watched: Iterable[Watched]) -> dict[str, list[str]]:
    """Return the dangers of each of *watched* by name, with a few questions for all.

    Topics that Kafka lacks, or of which a partition has no leader now, are left out: nothing new is known of them.

    Raises:
        KafkaUnavailableError: No broker answered.
        KafkaRefusedError: Kafka does not let this user look.
    """
    topics = {topic.name: (topic, topic_id) for topic, topic_id in watched}
    facts = kafka.describe_all(topics)
    ours = {name: one for name, one in facts.items() if one.topic_id == topics[name][1]}
    configs = kafka.topic_configs(ours)
    lows = kafka.low_watermarks({name: one.partitions for name, one in ours.items()})
    found = {
        name: dangers_of_topic(topics[name][0], ours[name], configs[name], lows[name])
        for name in ours
        if name in configs and len(lows.get(name, {})) == ours[name].partitions
    }
    return found | {name: [_replaced(name)] for name in facts.keys() - ours.keys()}


def _replaced(name: str) -> str:
    return (
        f"The immutable topic {name} was deleted in Kafka and created again, not by Quick: the first records of its"
        f" keys are lost. {_ANEW}"
    )
