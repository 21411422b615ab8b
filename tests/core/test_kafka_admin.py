"""An admin of a cluster that does not answer: a clear error, and another client for the next request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from core.errors import KafkaRefusedError, KafkaUnavailableError, NotFoundError
from core.kafka_admin import KafkaAdmin
from tests.running import until


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[AdminClient]:
    """Return the clients that are made from now on."""
    clients: list[AdminClient] = []

    def make(config: dict[str, Any]) -> AdminClient:
        clients.append(AdminClient(config))
        return clients[-1]

    monkeypatch.setattr("core.kafka_admin.AdminClient", make)
    return clients


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of a server that takes connections and never says anything; nobody waits long for it."""
    monkeypatch.setattr("core.kafka_admin.REQUEST_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_after_a_request_without_an_answer_another_client_asks(mute: str, made: list[AdminClient]) -> None:
    admin = KafkaAdmin(mute)
    with pytest.raises(KafkaUnavailableError, match="describing topic a"):
        admin.describe("a")
    assert 2 == len(made)
    with pytest.raises(KafkaUnavailableError, match="listing the topics"):
        admin.topic_names()
    assert 3 == len(made)


def test_many_answers_that_do_not_come_make_one_client(mute: str, made: list[AdminClient]) -> None:
    admin = KafkaAdmin(mute)
    assert {} == admin.low_watermarks({"a": 3, "b": 3})
    assert 2 == len(made)


def test_a_client_that_gives_no_answer_at_all_is_not_waited_for(
    mute: str, made: list[AdminClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.kafka_admin._ANSWER_TIMEOUT_S", 0.2)
    admin = KafkaAdmin(mute)
    with pytest.raises(KafkaUnavailableError, match="gave no answer while describing the cluster"):
        admin.cluster_id()
    assert 2 == len(made)


def test_partitions_that_are_not_found_are_asked_for_by_another_client(
    kafka: str, topic_name: str, made: list[AdminClient]
) -> None:
    admin = KafkaAdmin(kafka)
    assert {} == admin.low_watermarks({topic_name: 1})
    assert 2 == len(made)
    admin.create_topic(topic_name, partitions=1, replication_factor=1, config={})
    until(lambda: {topic_name: {0: 0}} == admin.low_watermarks({topic_name: 1}))
    asked = len(made)
    assert {topic_name: {0: 0}} == admin.committed_ends({topic_name: 1})
    assert asked == len(made)


def test_a_refusal_is_an_answer(kafka: str, topic_name: str, made: list[AdminClient]) -> None:
    admin = KafkaAdmin(kafka)
    assert admin.describe(topic_name) is None
    with pytest.raises(NotFoundError, match=f"Kafka has no topic {topic_name}"):
        admin.delete_topic(topic_name)
    with pytest.raises(KafkaRefusedError, match=f"reading the settings of topic {topic_name}"):
        admin.topic_config(topic_name)
    assert 1 == len(made)
