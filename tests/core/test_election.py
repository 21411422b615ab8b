"""The election on a real broker: one member leads, and after whatever it or the broker goes through one leads again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from cli.local_kafka import LocalKafka
from core.election import Leadership
from core.kafka_admin import KafkaAdmin
from tests.running import until

TWO_SESSIONS_S = 2 * Leadership.SESSION_S


@contextmanager
def members(bootstrap: str, topic: str, count: int) -> Iterator[list[Leadership]]:
    """Let members take part in an election of their own, and leave it at the end."""
    KafkaAdmin(bootstrap).create_topic(topic, partitions=1, replication_factor=1, config={})
    joined = [Leadership(bootstrap, topic, f"member-{number}", topic) for number in range(count)]
    try:
        yield joined
    finally:
        for member in joined:
            member.close()


def leaders(joined: list[Leadership]) -> int:
    """Return how many lead, after each was asked, as each has to be all the time."""
    return sum([member.is_held() for member in joined])


def test_a_member_that_is_fenced_by_another_one_of_its_name_joins_again(kafka: str, topic_name: str) -> None:
    with members(kafka, topic_name, 1) as joined:
        until(lambda: leaders(joined) == 1)
        twin = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": topic_name,
                "group.instance.id": "member-0",
                "session.timeout.ms": int(Leadership.SESSION_S * 1000),
            }
        )
        try:
            assigned: list[object] = []
            twin.subscribe([topic_name], on_assign=lambda _, partitions: assigned.extend(partitions))

            def twin_leads() -> bool:
                twin.poll(0)
                return bool(assigned)

            until(twin_leads)
            until(lambda: leaders(joined) == 0)
            until(lambda: leaders(joined) == 1)
        finally:
            twin.close()


def test_one_leads_after_the_broker_has_stood_still_for_longer_than_a_session(
    broker: Callable[..., LocalKafka], topic_name: str
) -> None:
    own = broker()
    with members(own.bootstrap, topic_name, 2) as joined:
        until(lambda: leaders(joined) == 1)
        os.killpg(own.child.pid, signal.SIGSTOP)
        try:
            resumes = time.monotonic() + TWO_SESSIONS_S
            until(lambda: leaders(joined) == 0 and time.monotonic() > resumes)
        finally:
            os.killpg(own.child.pid, signal.SIGCONT)
        until(lambda: leaders(joined) == 1)
