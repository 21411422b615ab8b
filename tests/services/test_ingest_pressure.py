"""Kafka stands still: what comes is bounded, told to come again, and ends; afterwards everything works again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cli.local_kafka import LocalKafka
from tests.ingesting import make_topic, texts
from tests.running import API_KEY, PLAIN, Running, until, web_workers

CLIENTS = 100

TOPICS = ("paused-unknown", "paused-10", "paused-20000", "paused-atom", "paused-verd")

MOST_BYTES = 700 * 1024 * 1024
"""More than a worker may ever take; it has some 80 MiB at rest."""


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with LocalKafka(tmp_path_factory.mktemp("paused-kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def paused(own_kafka: LocalKafka, new_running: Callable[..., Running]) -> Iterator[Running]:
    running = new_running(own_kafka.bootstrap)
    running.start()
    for topic in TOPICS:  # All of them beforehand: a topic that is made while Kafka wakes up takes its time.
        make_topic(running, topic)
    yield running
    running.stop()


class Watch(threading.Thread):
    """Notes the most memory that a worker takes."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.most_bytes = 0
        self._running = running
        self._ended = threading.Event()

    def run(self) -> None:
        workers = web_workers(self._running)
        while not self._ended.wait(0.05):
            self.most_bytes = max(self.most_bytes, *(worker.memory_info().rss for worker in workers))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self.most_bytes


def pairs(number: int, count: int, size: int) -> bytes:
    return json.dumps([{"key": f"{number}-{index}", "value": "x" * size} for index in range(count)]).encode()


@contextlib.contextmanager
def standing_still(kafka: LocalKafka) -> Iterator[None]:
    """Run the block while the broker does not answer."""
    os.killpg(kafka.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(kafka.child.pid, signal.SIGCONT)


def client(running: Running) -> httpx.Client:
    """Return a client of its own; requests that do not end fail after two minutes."""
    return httpx.Client(base_url=running.url, headers={"X-API-Key": API_KEY}, timeout=120, verify=PLAIN)


def warm_up(running: Running, topic: str, query: str = "") -> None:
    """Write by many connections, so that each worker knows the topic."""
    for _ in range(20):
        with running.http() as http:
            assert 200 == http.post(f"/ingest/{topic}{query}", json={"key": "k", "value": "v"}).status_code


def test_writes_to_a_topic_that_no_worker_knows_yet_end(paused: Running, own_kafka: LocalKafka) -> None:
    name = "paused-unknown"

    def write(_: int) -> httpx.Response:
        with client(paused) as http:
            return http.post(f"/ingest/{name}", json={"key": "k", "value": "v"})

    with standing_still(own_kafka), ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(write, range(CLIENTS)))
    assert {503} == {answer.status_code for answer in answers}
    until(lambda: write(0).status_code == 200)


@pytest.mark.parametrize(("count", "size"), [(10, 100_000), (20_000, 20)], ids=["large records", "small records"])
def test_requests_pile_up_to_a_bound_and_each_ends(
    paused: Running, own_kafka: LocalKafka, count: int, size: int
) -> None:
    name = f"paused-{count}"
    warm_up(paused, name)

    def write(number: int) -> httpx.Response:
        with client(paused) as http:
            return http.post(f"/ingest/{name}", content=pairs(number, count, size))

    watch = Watch(paused)
    watch.start()
    try:
        with standing_still(own_kafka), ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(write, range(CLIENTS)))
    finally:
        most_bytes = watch.stop()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {429, 503}
    assert 429 in statuses or count > 1_000  # Of many small records, Kafka's client takes no more before that.
    assert all("Retry-After" in answer.headers and answer.json()["detail"] for answer in answers)
    assert most_bytes < MOST_BYTES

    def works() -> bool:
        with paused.http() as http:
            answers = [
                http.post(f"/ingest/{name}", json={"key": f"{number}", "value": "after"}) for number in range(20)
            ]
        return all(answer.status_code == 200 for answer in answers)

    until(works)
    assert ("19", "after") in texts(paused.kafka, name)


@pytest.mark.parametrize("query", ["?atomic=true", "?verdicts=true"])
def test_writes_of_other_kinds_end_too(paused: Running, own_kafka: LocalKafka, query: str) -> None:
    name = f"paused-{query[1:5]}"
    pair = {"key": "k", "value": "v"}
    warm_up(paused, name, query)

    def write(number: int) -> httpx.Response:
        with client(paused) as http:
            return http.post(f"/ingest/{name}{query}", json=pair)

    with standing_still(own_kafka), ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(write, range(30)))
    assert {answer.status_code for answer in answers} <= {429, 503}
    assert all("Retry-After" in answer.headers for answer in answers)

    def works() -> bool:
        with paused.http() as http:
            return all(http.post(f"/ingest/{name}{query}", json=pair).status_code == 200 for _ in range(20))

    until(works)
