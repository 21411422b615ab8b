"""Health tells what is not ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import falcon.testing
import pytest

from core.settings import Settings
from services.app import create_app
from services.worker import Worker


@pytest.fixture
def client(tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> falcon.testing.TestClient:
    """Return a client of a worker whose Kafka does not answer and that no projector works for."""
    monkeypatch.setattr("services.worker.OPEN_TIMEOUT_S", 0.1)
    settings = Settings(kafka=f"127.0.0.1:{free_port()}", data_dir=tmp_path, api_key="k")
    return falcon.testing.TestClient(create_app(Worker(settings)))


def test_a_worker_without_kafka_says_what_is_missing(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/health")
    assert 503 == answer.status_code
    assert "DOWN" == answer.json["status"]
    assert "command log is not ready" in answer.json["reason"]


@pytest.mark.parametrize("path", ["/manager/topics", "/manager/log", "/mirror/t/mirror/1"])
def test_what_needs_a_view_that_is_not_there_is_503(client: falcon.testing.TestClient, path: str) -> None:
    answer = client.simulate_get(path, headers={"X-API-Key": "k"})
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
    assert "is not ready" in answer.json["detail"]
