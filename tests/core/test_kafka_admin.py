from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from core.errors import KafkaUnavailableError
from core.kafka_admin import KafkaAdmin


def test_an_answer_that_nobody_gives_is_told_as_one_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client says itself that the time is over, unless its thread is held up."""
    silent: Future[Any] = Future()
    admin = KafkaAdmin("127.0.0.1:1")
    monkeypatch.setattr("core.kafka_admin.REQUEST_TIMEOUT_S", 0.01)
    monkeypatch.setattr(admin._client, "describe_cluster", lambda **_: silent)
    with pytest.raises(KafkaUnavailableError, match="Kafka did not answer while describing the cluster"):
        admin.cluster_id()
