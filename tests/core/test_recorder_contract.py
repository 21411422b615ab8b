"""The eventsourcing library's own contract, on a real broker."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.tests import persistence as contract
from eventsourcing.utils import Environment

from core.recorder import KafkaFactory


class OnKafka:
    """Gives each test a topic of its own and closes what it opened."""

    @pytest.fixture(autouse=True)
    def _kafka(self, kafka: str) -> Any:
        self._bootstrap = kafka
        self._factories: list[KafkaFactory] = []
        yield
        for factory in self._factories:
            factory.close()

    def factory(self) -> KafkaFactory:
        name = f"contract-{uuid.uuid4().hex}"
        factory = KafkaFactory(Environment(name, {"QUICK_KAFKA_BOOTSTRAP_SERVER": self._bootstrap}))
        self._factories.append(factory)
        return factory


class TestAggregateRecorder(OnKafka, contract.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.factory().aggregate_recorder()


class TestSnapshotRecorder(OnKafka, contract.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.factory().aggregate_recorder(purpose="snapshots")


class TestApplicationRecorder(OnKafka, contract.ApplicationRecorderTestCase[Any]):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory().application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OnKafka, contract.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory().application_recorder()


class TestProcessRecorder(OnKafka, contract.ProcessRecorderTestCase):
    def create_recorder(self) -> ProcessRecorder:
        return self.factory().process_recorder()


class TestTrackingRecorder(OnKafka, contract.TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.factory().tracking_recorder()
