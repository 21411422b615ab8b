"""Health tells what is not ready."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

import falcon.asgi
import falcon.testing
import pytest

from core.settings import Settings
from services.app import create_app
from services.health import HealthResource
from services.worker import Worker
from tests.altering import alter_topic
from tests.running import Running, until


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


def test_a_gateway_that_serves_an_earlier_schema_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing_else(_: Worker) -> list[str]:
        return []

    monkeypatch.setattr("services.health.degradations", nothing_else)
    troubles = ["Gateway shop serves an earlier schema."]
    app = falcon.asgi.App()
    app.add_route("/health", HealthResource(cast("Worker", None), lambda: troubles))
    client = falcon.testing.TestClient(app)
    assert {"status": "DEGRADED", "reason": troubles[0]} == client.simulate_get("/health").json
    troubles.clear()
    assert {"status": "UP"} == client.simulate_get("/health").json


def test_an_immutable_topic_that_is_unsafe_is_told_until_it_is_mended(running: Running) -> None:
    name = f"unsafe-{uuid.uuid4().hex[:12]}"
    parameters = {"keyType": "long", "valueType": "string"}
    with running.http() as http:
        http.post(f"/manager/topic/{name}", params=parameters, json={"writeType": "IMMUTABLE"}).raise_for_status()
        assert name not in http.get("/health").text
        alter_topic(running.kafka, name, "cleanup.policy", "compact")
        until(lambda: name in http.get("/health").text)
        health = http.get("/health")
        assert (200, "DEGRADED") == (health.status_code, health.json()["status"])
        assert f"Writes to topic {name} are refused. " in health.json()["reason"]
        assert f"--alter --topic {name} --add-config cleanup.policy=delete" in health.json()["reason"]
        assert "\nquick_immutable_topics_unsafe 1\n" in http.get("/metrics").text
        findings = [one for one in http.get("/manager/doctor").json()["findings"] if name in one["text"]]
        assert ["error"] == [one["level"] for one in findings]
        alter_topic(running.kafka, name, "cleanup.policy", "delete")
        until(lambda: name not in http.get("/health").text)
        assert "\nquick_immutable_topics_unsafe 0\n" in http.get("/metrics").text
