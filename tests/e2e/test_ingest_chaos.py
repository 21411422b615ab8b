"""Workers and the broker are killed under load, again and again: what was acknowledged is in the topic."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.ingesting import make_topic, texts
from tests.running import API_KEY, Running, until, web_workers

if TYPE_CHECKING:
    from cli.local_kafka import LocalKafka

CHAOS_S = 30
"""How long processes are killed."""

BROKER_EVERY = 4
"""One of so many kills hits the broker, which takes longest to come back."""

BATCH = 20

QUERIES = ("", "?verdicts=true", "?atomic=true", None)
"""Kinds of writers; the last one uploads by line."""


class Client(threading.Thread):
    """Writes keys that nobody else writes, and remembers which of them were acknowledged, and all statuses."""

    def __init__(self, running: Running, topic: str, number: int, query: str | None) -> None:
        super().__init__(name=f"client {number}")
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        """Keys of atomic batches that were surely not written."""
        self.statuses: set[int] = set()
        self._running = running
        self._topic = topic
        self._number = number
        self._query = query
        self._stopping = threading.Event()

    def run(self) -> None:
        batch = 0
        while not self._stopping.is_set():
            keys = [f"{self._number}-{batch}-{index}" for index in range(BATCH)]
            batch += 1
            try:
                with httpx.Client(base_url=self._running.url, headers={"X-API-Key": API_KEY}, timeout=60) as http:
                    self._write(http, keys)
            except httpx.TransportError:
                self._stopping.wait(0.02)

    def _write(self, http: httpx.Client, keys: list[str]) -> None:
        pairs = [{"key": key, "value": key} for key in keys]
        if self._query is None:
            self._upload(http, keys, "\n".join(map(json.dumps, pairs)))
            return
        answer = http.post(f"/ingest/{self._topic}{self._query}", json=pairs)
        self.statuses.add(answer.status_code)
        if answer.status_code == 200:
            self.acknowledged.update(keys)

    def _upload(self, http: httpx.Client, keys: list[str], body: str) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        with http.stream("POST", f"/ingest/{self._topic}", content=body, headers=headers) as answer:
            self.statuses.add(answer.status_code)
            if answer.status_code != 200:
                return
            for line in answer.iter_lines():
                verdict = json.loads(line)
                if "offset" in verdict:
                    self.acknowledged.add(keys[verdict["index"]])

    def stop(self) -> None:
        self._stopping.set()
        self.join()


@pytest.fixture
def own_kafka(broker: Callable[..., LocalKafka], tmp_path: Path) -> LocalKafka:
    return broker(tmp_path)


@pytest.fixture
def loaded(own_kafka: LocalKafka, new_running: Callable[..., Running]) -> Iterator[tuple[Running, str, list[Client]]]:
    running = new_running(own_kafka.bootstrap)
    running.start()
    topic = make_topic(running, "chaos")
    clients = [Client(running, topic, number, query) for number, query in enumerate(QUERIES)]
    for client in clients:
        client.start()
    yield running, topic, clients
    for client in clients:
        client.stop()
    running.stop()


def progress(clients: list[Client]) -> None:
    """Wait until each client has got something acknowledged that it had not before."""
    before = [len(client.acknowledged) for client in clients]
    until(lambda: all(len(client.acknowledged) > count for client, count in zip(clients, before, strict=True)), 120)


def compare(running: Running, topic: str, clients: list[Client]) -> None:
    for client in clients:
        client.stop()
    written = texts(running.kafka, topic)
    assert all(key == value for key, value in written)
    present = {key for key, _ in written}
    for client, query in zip(clients, QUERIES, strict=True):
        assert client.acknowledged, query
        assert set() == client.acknowledged - present, query
        assert client.statuses <= {200, 429, 503}, query
    batches: dict[str, int] = {}
    for key in present:
        if key.startswith(f"{QUERIES.index('?atomic=true')}-"):
            batch = key.rpartition("-")[0]
            batches[batch] = batches.get(batch, 0) + 1
    assert {BATCH} == set(batches.values())


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kills_of_workers_and_of_the_broker(
    own_kafka: LocalKafka, loaded: tuple[Running, str, list[Client]]
) -> None:
    running, topic, clients = loaded
    progress(clients)
    dice = random.Random(20)
    deadline = time.monotonic() + CHAOS_S
    kills = 0
    while time.monotonic() < deadline:
        kills += 1
        if kills % BROKER_EVERY == 0:
            own_kafka.kill()
            own_kafka.start()
        else:
            workers = web_workers(running)
            if workers:
                _kill(dice.choice(workers))
        threading.Event().wait(dice.uniform(0.05, 1.5))  # Any moment may be the wrong one.
    running.await_health()
    progress(clients)
    compare(running, topic, clients)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


@pytest.mark.timeout(600)
def test_a_rolling_restart_loses_nothing(loaded: tuple[Running, str, list[Client]]) -> None:
    running, topic, clients = loaded
    for _ in range(3):
        for worker in web_workers(running):
            progress(clients)
            worker.send_signal(signal.SIGTERM)
            until(lambda worker=worker: worker.pid not in {each.pid for each in web_workers(running)})
            until(lambda: len(web_workers(running)) == 2)
    progress(clients)
    compare(running, topic, clients)
