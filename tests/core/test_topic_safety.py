"""What would let a later record win in an immutable topic."""

from __future__ import annotations

import pytest

from core.kafka_admin import KafkaAdmin, TopicFacts
from core.topic_safety import Watched, dangers_of_topic, look_at, unsafe_settings
from core.topics import Topic, WriteType
from core.types import TopicType
from tests.serving import until_led

SAFE = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    "min.insync.replicas": "2",
}


def topic(name: str = "t") -> Topic:
    return Topic(
        name=name,
        write_type=WriteType.IMMUTABLE,
        key_type=TopicType.LONG,
        value_type=TopicType.STRING,
        partitions=3,
        replication_factor=3,
        config={},
    )


def dangers(*, partitions: int = 3, replicas: int = 3, lows: dict[int, int] | None = None, **config: str) -> list[str]:
    settings = SAFE | {setting.replace("_", "."): value for setting, value in config.items()}
    facts = TopicFacts("t", "id", partitions, replicas)
    return dangers_of_topic(topic(), facts, settings, {0: 0, 1: 0, 2: 0} if lows is None else lows)


def test_a_topic_that_keeps_everything_is_in_no_danger() -> None:
    assert [] == dangers()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", "delete, compact"),
        ("retention.ms", "0"),
        ("retention.ms", "9223372036854775807"),
        ("retention.bytes", "1"),
        ("unclean.leader.election.enable", "true"),
        ("min.insync.replicas", "1"),
    ],
)
def test_each_setting_that_could_lose_a_first_record_is_told_with_the_way_out(setting: str, value: str) -> None:
    (danger,) = dangers(**{setting: value})
    assert danger.startswith(f"The immutable topic t has {setting}={value}: ")
    assert danger.endswith(f"kafka-configs --alter --topic t --add-config {setting}={SAFE[setting]}")


@pytest.mark.parametrize(
    "config", [{"cleanup.policy": ""}, {"cleanup.policy": "delete"}, {"retention.ms": "-1"}, {"retention.ms": "soon"}]
)
def test_what_removes_nothing_or_is_for_kafka_to_refuse_is_no_danger(config: dict[str, str]) -> None:
    assert [] == list(unsafe_settings(config, replicas=1))


def test_settings_of_replicas_mean_nothing_to_a_topic_with_one() -> None:
    assert [] == dangers(replicas=1, unclean_leader_election_enable="true", min_insync_replicas="1")


def test_what_cannot_be_mended_says_so() -> None:
    added, lost = dangers(partitions=4, lows={0: 0, 1: 7, 2: 0, 3: 0})
    assert "has 4 partitions and was declared with 3" in added
    assert "begins at offset 7 in partition 1" in lost
    for danger in (added, lost):
        assert danger.endswith("delete the topic, create it anew, and write its records again.")


def test_many_topics_are_looked_at_together_and_those_that_kafka_lacks_are_left_out(
    kafka: str, topic_name: str
) -> None:
    admin = KafkaAdmin(kafka)
    names = [f"{topic_name}-{number}" for number in range(3)]
    for name in names:
        admin.create_topic(name, partitions=3, replication_factor=1, config={"retention.ms": "-1"})
    until_led(admin, names, 3)
    ids = {name: facts.topic_id for name, facts in admin.describe_all(names).items()}
    watched = [Watched(topic(name), ids[name]) for name in names[:2]]
    watched += [Watched(topic(names[2]), "another"), Watched(topic(f"{topic_name}-absent"), "id")]
    found = look_at(admin, watched)
    assert [[], [], 1] == [found[names[0]], found[names[1]], len(found[names[2]])]
    assert set(names) == set(found)
    assert {} == look_at(admin, [])


def test_settings_and_first_offsets_are_those_of_existing_topics(kafka: str, topic_name: str) -> None:
    admin = KafkaAdmin(kafka)
    admin.create_topic(topic_name, partitions=2, replication_factor=1, config={"retention.ms": "12345678"})
    until_led(admin, [topic_name], 2)
    assert ["12345678"] == [
        config["retention.ms"] for config in admin.topic_configs([topic_name, f"{topic_name}-absent"]).values()
    ]
    assert {topic_name: {0: 0, 1: 0}} == admin.low_watermarks({topic_name: 2, f"{topic_name}-absent": 1})
    assert {} == admin.topic_configs([])
    assert {} == admin.low_watermarks({})
