"""Records that cannot be used: the log stands still or the registry does, reads go on, and there is a way out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.kafka_writer import OutRecord, RecordWriter
from core.record import FORMAT, CommandRecord, RecordedEvent, encode
from tests.running import Running, until


def produce(running: Running, value: bytes | None) -> int:
    """Write to the log topic by hand, as somebody might who should not; return the offset."""
    writer = RecordWriter(running.kafka)
    offset = writer.write(running.log_topic, [OutRecord(None, value)]).result(60)[0].offset
    writer.close()
    return offset


def health(running: Running) -> dict[str, Any]:
    answer = httpx.get(f"{running.url}/health", timeout=60)
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


def create_topic(running: Running, name: str) -> httpx.Response:
    with running.http() as http:
        return http.post(f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={})


def log(running: Running) -> list[dict[str, Any]]:
    with running.http() as http:
        found: list[dict[str, Any]] = http.get("/manager/log").json()["commands"]
    return found


@pytest.fixture
def name() -> str:
    """Return the beginning of topic names that nobody else uses: Kafka is shared with other tests."""
    return f"poison-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def two_nodes(new_running: Callable[..., Running]) -> tuple[Running, Running]:
    """Return two machines that share one log."""
    here = new_running()
    here.start()
    there = new_running(log_topic=here.log_topic)
    there.start()
    return here, there


def test_garbage_stops_commands_and_not_reads_until_it_is_quarantined_on_all_nodes(
    two_nodes: tuple[Running, Running], name: str
) -> None:
    here, there = two_nodes
    assert 200 == create_topic(here, f"{name}-before").status_code
    position = here.ingest(f"{name}-before", {"key": 1, "value": "one"})
    there.stop()
    offset = produce(here, b"\x00 not a record")
    until(lambda: health(here)["status"] == "DEGRADED")
    assert f"{here.log_topic}[0]@{offset}" in health(here)["reason"]
    assert f"quick log quarantine {offset} --reason" in health(here)["reason"]
    assert "quick_log_stands_still 1" in httpx.get(f"{here.url}/metrics", timeout=60).text
    refused = create_topic(here, f"{name}-during")
    assert (503, False) == (refused.status_code, "Retry-After" in refused.headers)
    assert f"@{offset}" in refused.json()["detail"]

    here.include(f"{name}-before", position)
    here.include(f"{name}-before", here.ingest(f"{name}-before", {"key": 2, "value": "two"}))
    assert ["create_topic"] == [command["command"] for command in log(here)]
    assert f"{here.log_topic}[0]@{offset}" in here.quick("log", "verify", code=1)
    assert f"@{offset}" in here.quick("doctor", code=1)

    assert f"Quarantined offset {offset}\n" == here.quick("log", "quarantine", str(offset), "--reason", "by mistake")
    until(lambda: health(here) == {"status": "UP"})
    assert 200 == create_topic(here, f"{name}-after").status_code
    assert "The log is sound" in here.quick("log", "verify")
    with here.http() as http:
        (quarantined,) = http.get("/manager/log/quarantine").json()["quarantined"]
    assert (offset, "default", "by mistake") == tuple(quarantined[field] for field in ("offset", "actor", "reason"))

    there.start()
    until(lambda: health(there) == {"status": "UP"})
    assert log(here) == log(there)
    assert 200 == create_topic(there, f"{name}-there").status_code


def test_a_node_that_starts_with_garbage_in_the_log_serves_what_lies_before_it(
    two_nodes: tuple[Running, Running], name: str
) -> None:
    here, there = two_nodes
    assert 200 == create_topic(here, f"{name}-before").status_code
    there.stop()
    offset = produce(here, b"[]")
    there.start()
    until(lambda: health(there)["status"] == "DEGRADED")
    with there.http() as http:
        assert [f"{name}-before"] == [topic["name"] for topic in http.get("/manager/topics").json()]
    until(lambda: health(here)["status"] == "DEGRADED")
    there.quick("log", "quarantine", str(offset), "-m", "nonsense")
    until(lambda: health(here) == health(there) == {"status": "UP"})
    assert 200 == create_topic(here, f"{name}-after").status_code


@pytest.mark.parametrize("value", [b'{"format": 2, "application": "quick", "anything": 1}'])
def test_a_record_of_a_newer_format_cannot_be_quarantined(new_running: Callable[..., Running], value: bytes) -> None:
    running = new_running()
    running.start()
    offset = produce(running, value)
    until(lambda: health(running)["status"] == "DEGRADED")
    assert "upgrade" in health(running)["reason"]
    assert "quarantine" not in health(running)["reason"]
    assert "a newer program reads it" in running.quick("log", "quarantine", str(offset), "-m", "x", code=1)


def test_an_event_of_a_newer_version_keeps_its_id_and_stops_only_the_registry(
    new_running: Callable[..., Running], name: str
) -> None:
    running = new_running()
    running.start()
    assert 200 == create_topic(running, f"{name}-before").status_code
    event = RecordedEvent(str(uuid.uuid4()), 1, "quick:RobotHired", json.dumps({"name": "r2"}))
    record = CommandRecord(
        format=FORMAT,
        application="quick",
        command_id=str(uuid.uuid4()),
        command="hire_robot",
        target="robot/r2",
        events=(event,),
    )
    offset = produce(running, encode(record))
    until(lambda: health(running)["status"] == "DEGRADED")
    assert all(part in health(running)["reason"] for part in (f"offset {offset}", "quick:RobotHired", "upgrade"))
    last = log(running)[-1]
    assert (3, "hire_robot") == (last["position"], last["command"])
    running.include(f"{name}-before", running.ingest(f"{name}-before", {"key": 1, "value": "one"}))
    refused = create_topic(running, f"{name}-during")
    assert (503, True) == (refused.status_code, "RobotHired" in refused.json()["detail"])
    assert "can be decoded" in running.quick("log", "quarantine", str(offset), "-m", "x", code=1)
    assert "quick:RobotHired" in running.quick("log", "verify", code=1)
    running.stop()
    running.start()
    until(lambda: health(running)["status"] == "DEGRADED")
    assert last == log(running)[-1]
