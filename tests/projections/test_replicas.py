from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import msgspec
import pytest

from core.errors import KafkaUnavailableError
from core.kafka_writer import OutRecord, RecordWriter, Written
from projections.replicas import Announcer, ReplicaStatus, replica_key
from projections.status import CREATED, StatusProjection, TopicStatus, encode, topic_key


def status(replica: str = "a", *, topic: str = "t", **changes: Any) -> ReplicaStatus:
    facts = {
        "topic_id": "id",
        "address": "a:1",
        "partitions": [0, 1],
        "is_ready": True,
        "entries": 5,
        "lease_ms": 60_000,
    }
    return ReplicaStatus(topic=topic, replica=replica, **{**facts, **changes})


@dataclass
class Record:
    key_: bytes
    value_: bytes | None
    offset_: int

    def key(self) -> bytes:
        return self.key_

    def value(self) -> bytes | None:
        return self.value_

    def offset(self) -> int:
        return self.offset_

    def topic(self) -> str:
        return "statuses"

    def partition(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


@pytest.fixture
def statuses(tmp_path: Path) -> Iterator[StatusProjection]:
    statuses = StatusProjection(tmp_path, "id of the status topic")
    yield statuses
    statuses.close()


def fold(statuses: StatusProjection, *pairs: tuple[bytes, bytes | None]) -> None:
    start = statuses.next_offset()
    statuses.fold([Record(key, value, start + at) for at, (key, value) in enumerate(pairs)])


def announced(one: ReplicaStatus) -> tuple[bytes, bytes]:
    return replica_key(one.topic, one.replica), msgspec.json.encode(one)


def test_replicas_are_found_by_their_topic_as_it_is_now(statuses: StatusProjection) -> None:
    others = [status(topic="t2"), status(topic="s"), status("old", topic_id="an earlier topic")]
    fold(statuses, *map(announced, [status("a"), status("b", is_ready=False), *others]))
    before_ms = int(time.time() * 1000)
    found = statuses.view.replicas("t", "id")
    assert [status("a"), status("b", is_ready=False)] == [replica.status for replica in found]
    assert all(before_ms - 60_000 < replica.heard_ms <= before_ms for replica in found)
    assert [] == statuses.view.replicas("t", "another id")


def test_the_last_word_of_a_replica_counts_and_may_be_that_it_is_gone(statuses: StatusProjection) -> None:
    fold(statuses, announced(status()), announced(status(address="b:2")))
    assert ["b:2"] == [replica.status.address for replica in statuses.view.replicas("t", "id")]
    fold(statuses, (replica_key("t", "a"), None))
    assert [] == statuses.view.replicas("t", "id")


def test_what_is_no_replica_is_passed(statuses: StatusProjection) -> None:
    hostile = [announced(status(address=address)) for address in ("evil/path:1", "user@evil:1", "a b:1", "a", "a:x")]
    fold(statuses, (b"mirror/t/a", b"{}"), (b"mirror/t/b", b"\xff"), (b"mirror/", b""), (b"unknown/t", b"{}"), *hostile)
    assert [] == statuses.view.replicas("t", "id")
    assert 9 == statuses.next_offset()


def test_topics_are_not_looked_at_anew_for_each_word_of_a_replica(statuses: StatusProjection) -> None:
    topic = TopicStatus(name="t", incarnation=1, state=CREATED, topic_id="id", dangers=["it could"])
    fold(statuses, (topic_key("t", 1), encode(topic)))
    changed = statuses.topics_changed
    assert (1, 1) == (changed, statuses.view.topics_changed())
    fold(statuses, announced(status()), announced(status()))
    assert (1, 1, 3) == (statuses.topics_changed, statuses.view.topics_changed(), statuses.next_offset())
    assert [topic] == statuses.view.topics()
    assert [topic] == statuses.view.unsafe()
    fold(statuses, (topic_key("t", 1), None))
    assert 4 == statuses.topics_changed


@dataclass
class Writer:
    """Takes what is written, or fails."""

    written: list[tuple[bytes | None, ReplicaStatus | None]] = field(default_factory=list)
    failing: int = 0

    def write(self, topic: str, records: list[OutRecord]) -> Future[list[Written]]:
        assert "statuses" == topic
        done: Future[list[Written]] = Future()
        if self.failing:
            self.failing -= 1
            done.set_exception(KafkaUnavailableError("away"))
            return done
        for record in records:
            value = None if record.value is None else msgspec.json.decode(record.value, type=ReplicaStatus)
            self.written.append((record.key, value))
        done.set_result([])
        return done


@dataclass
class Running:
    """An announcer that runs."""

    writer: Writer
    news: ReplicaStatus | None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.announcer = Announcer(cast("RecordWriter", self.writer), "statuses", lambda: self.news)
        self._thread = threading.Thread(target=self.announcer.run, args=(self.stopping,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._thread.join()

    def said(self) -> list[ReplicaStatus | None]:
        return [value for _, value in self.writer.written]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_news_are_said_at_once_and_taken_back_at_the_end() -> None:
    building, ready = status(is_ready=False), status()
    with Running(Writer(), building) as running:
        until(lambda: running.said() == [building])
        assert not running.announcer.is_told_ready
        running.news = ready
        until(lambda: running.said() == [building, ready])
        until(lambda: running.announcer.is_told_ready)
        running.news = status(entries=6)  # No reason to say it before its time.
    assert [building, ready, None] == running.said()
    assert {replica_key("t", "a")} == {key for key, _ in running.writer.written}


def test_it_is_said_again_within_its_lease() -> None:
    short = status(lease_ms=300)
    with Running(Writer(), short) as running:
        until(lambda: running.said()[:3] == [short] * 3)


def test_it_is_said_again_when_kafka_did_not_take_it() -> None:
    with Running(Writer(failing=2), status()) as running:
        until(lambda: running.said() == [status()])


def test_what_is_not_held_any_more_is_taken_back() -> None:
    with Running(Writer(), status()) as running:
        until(running.said)
        running.news = None
        until(lambda: running.said() == [status(), None])
    assert [status(), None] == running.said()


def test_nothing_is_taken_back_that_was_never_said() -> None:
    with Running(Writer(), None) as running:
        pass
    assert [] == running.said()
