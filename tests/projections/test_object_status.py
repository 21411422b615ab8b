"""Statuses of objects in Kubernetes, folded beside those of topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projections.object_status import ObjectStatus, encode_object, object_key
from projections.status import CREATED, StatusProjection, TopicStatus, encode, topic_key


class Record:
    """A record as the consumer gives it."""

    def __init__(self, offset: int, key: bytes, value: bytes | None) -> None:
        self._facts = (offset, key, value)

    def offset(self) -> int:
        return self._facts[0]

    def key(self) -> bytes:
        return self._facts[1]

    def value(self) -> bytes | None:
        return self._facts[2]

    def topic(self) -> str:
        return "status"

    def partition(self) -> int:
        return 0


@pytest.fixture
def status(tmp_path: Path) -> Iterator[StatusProjection]:
    made = StatusProjection(tmp_path / "status", "id")
    yield made
    made.close()


def fold(status: StatusProjection, *records: tuple[bytes, bytes | None]) -> None:
    """Fold records behind those that are folded."""
    begin = status.next_offset()
    made: list[Any] = [Record(begin + index, *record) for index, record in enumerate(records)]
    status.fold(made)


def one(state: str = "ok", name: str = "a") -> ObjectStatus:
    return ObjectStatus(kind="Service", name=name, noun="mirror", thing="orders", position=3, state=state)


def test_objects_and_topics_are_told_apart(status: StatusProjection) -> None:
    topic = TopicStatus(name="orders", incarnation=1, state=CREATED)
    fold(status, (object_key("Service", "a"), encode_object(one())), (topic_key("orders", 1), encode(topic)))
    assert [one()] == status.view.objects()
    assert [topic] == status.view.topics()
    fold(status, (object_key("Service", "a"), None))
    assert [] == status.view.objects()
    assert [topic] == status.view.topics()


def test_what_is_no_status_of_an_object_is_skipped(status: StatusProjection) -> None:
    fold(status, (object_key("Service", "a"), b"{}"), (object_key("Service", "b"), encode_object(one(name="b"))))
    assert ["b"] == [found.name for found in status.view.objects()]
    assert 2 == status.next_offset()


def test_troubles_are_found_and_go_when_they_are_mended(status: StatusProjection) -> None:
    view = status.view
    fold(status, (object_key("Service", "a"), encode_object(one("failed"))))
    fold(status, (object_key("Service", "b"), encode_object(one("waiting", "b"))))
    assert ["a"] == [found.name for found in view.troubled()]
    fold(status, (object_key("Service", "a"), encode_object(one())))
    assert [] == view.troubled()
