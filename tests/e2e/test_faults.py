"""What is acknowledged survives: processes are killed, the broker goes away, views are deleted."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.running import Running, until

if TYPE_CHECKING:
    from cli.local_kafka import LocalKafka


def create_topic(running: Running, name: str) -> None:
    with running.http() as http:
        answer = http.post(f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={})
        assert 200 == answer.status_code, answer.text


def content(running: Running, topic: str) -> list[str]:
    """Return all values of a mirror; who is told that it is being built, or that a worker is starting, asks again."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        with running.http() as http:
            answers.append(http.get(f"/mirror/{topic}/mirror"))
        assert answers[-1].status_code in (200, 503), answers[-1].text
        return answers[-1].status_code == 200

    until(is_answered)
    values: list[str] = answers[-1].json()["value"]
    return values


def child(running: Running, part: str) -> psutil.Process:
    """Return the first descendant whose command line holds *part*."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        for process in psutil.Process(running.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(part in argument for argument in process.cmdline()):
                    found.append(process)
        return bool(found)

    until(is_there)
    return found[0]


class Writer(threading.Thread):
    """Writes numbered records until told to stop, and remembers which were acknowledged."""

    def __init__(self, running: Running, topic: str) -> None:
        super().__init__()
        self.acknowledged: list[int] = []
        self._running = running
        self._topic = topic
        self._stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            batch = range(number, number + 20)
            number += 20
            try:
                with self._running.http() as http:
                    pairs = [{"key": key, "value": f"v{key}"} for key in batch]
                    answer = http.post(f"/ingest/{self._topic}", json=pairs)
                if answer.status_code == 200:
                    self.acknowledged.extend(batch)
            except httpx.TransportError:
                continue

    def stop(self) -> list[int]:
        self._stopping.set()
        self.join()
        return self.acknowledged


@pytest.fixture
def fresh(new_running: Callable[..., Running]) -> Running:
    running = new_running()
    running.start()
    return running


def test_processes_that_are_killed_come_back_and_nothing_acknowledged_is_lost(fresh: Running) -> None:
    create_topic(fresh, "killed")
    writer = Writer(fresh, "killed")
    writer.start()
    for part in ("projections.projector", "gunicorn", "projections.projector"):
        enough = len(writer.acknowledged) + 200
        until(lambda enough=enough: len(writer.acknowledged) >= enough)  # type: ignore[misc]
        victim = child(fresh, part)
        if part == "gunicorn":
            until(lambda master=victim: bool(master.children()))  # type: ignore[misc]
            victim = victim.children()[0]  # A worker: its master starts another one.
        victim.kill()
    enough = len(writer.acknowledged) + 200
    until(lambda: len(writer.acknowledged) >= enough)
    acknowledged = {f"v{number}" for number in writer.stop()}
    fresh.await_health()
    until(lambda: acknowledged <= set(content(fresh, "killed")))
    values = content(fresh, "killed")
    assert len(set(values)) == len(values)
    fresh.stop()


def test_after_kill_9_of_quick_up_nothing_runs_on_and_a_start_continues(fresh: Running) -> None:
    create_topic(fresh, "restarted")
    position = fresh.ingest("restarted", [{"key": number, "value": f"v{number}"} for number in range(100)])
    fresh.include("restarted", position)
    processes = psutil.Process(fresh.process.pid).children(recursive=True)
    assert len(processes) >= 4
    fresh.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert [] == alive
    fresh.start()
    assert {f"v{number}" for number in range(100)} == set(content(fresh, "restarted"))
    with fresh.http() as http:
        assert ["restarted"] == [topic["name"] for topic in http.get("/manager/topics").json()]
        repeated = http.post("/manager/topic/restarted", params={"keyType": "long", "valueType": "string"}, json={})
    assert 400 == repeated.status_code
    fresh.stop()


def test_deleted_views_come_back_from_kafka(fresh: Running) -> None:
    create_topic(fresh, "rebuilt")
    fresh.ingest("rebuilt", [{"key": number, "value": f"v{number}"} for number in range(1000)])
    with fresh.http() as http:
        http.post("/manager/gateway", json={"name": "rebuilt"})
        before = [http.get(f"/manager/{path}").json() for path in ("topics", "gateways", "log")]
    fresh.stop()
    shutil.rmtree(fresh.data_dir)
    fresh.start()
    with fresh.http() as http:
        assert before == [http.get(f"/manager/{path}").json() for path in ("topics", "gateways", "log")]
    assert {f"v{number}" for number in range(1000)} == set(content(fresh, "rebuilt"))
    fresh.stop()


def test_without_the_broker_nothing_is_acknowledged_and_reads_go_on(
    new_running: Callable[..., Running], broker: Callable[..., LocalKafka], tmp_path: Path
) -> None:
    kafka = broker(tmp_path)
    running = new_running(kafka.bootstrap)
    running.start()
    create_topic(running, "outage")
    running.include("outage", running.ingest("outage", {"key": 1, "value": "before"}))
    kafka.kill()
    with running.http() as http:  # Who waits for an answer there gives up after half a minute.
        refused = http.post("/ingest/outage", json={"key": 2, "value": "during"})
        assert 503 == refused.status_code
        assert ["before"] == content(running, "outage")
        parameters = {"keyType": "long", "valueType": "string"}
        created = http.post("/manager/topic/during", params=parameters, json={}, timeout=120)
        assert 503 == created.status_code
    kafka.start()

    def accepts() -> bool:
        with running.http() as http:
            return http.post("/ingest/outage", json={"key": 3, "value": "after"}).status_code == 200

    until(accepts)
    until(lambda: "after" in content(running, "outage"))
    ids = [str(uuid.uuid4())]

    def creates() -> bool:
        headers = {"Quick-Command-Id": ids[-1]}
        with running.http() as http:
            created = http.post("/manager/topic/after", params=parameters, json={}, headers=headers)
        if created.headers.get("Quick-Command-Outcome") == "not-recorded":
            ids.append(str(uuid.uuid4()))
        return created.status_code == 200

    until(creates)
    assert "starting it again" not in (running.folder / "up.log").read_text()
    running.stop()
    kafka.stop()
