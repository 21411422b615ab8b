"""Which partitions stand still, and when the consumer is taken for the cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from core.kafka_reader import Polled, TopicsConsumer
from projections import fold_consumer
from projections.fold_consumer import FoldConsumer
from projections.standstill import Place, Standing, standing_still

BEHIND = {("t", 0): Standing(3, 100.0)}


def test_a_partition_stands_still_from_the_look_on_that_saw_more_than_is_folded() -> None:
    ends = {"t": {0: 5, 1: 7}, "u": {0: 1}}
    first = standing_still({}, {"t": {0: 3, 1: 7}, "u": {0: 1}}, ends, 100.0)
    assert first == BEHIND
    assert first == standing_still(first, {"t": {0: 3}}, ends, 101.0)
    assert {("t", 0): Standing(4, 102.0)} == standing_still(first, {"t": {0: 4}}, ends, 102.0)
    assert {} == standing_still(first, {"t": {0: 5}}, ends, 103.0)


@pytest.mark.parametrize("ends", [{}, {"t": {}}, {"t": {1: 9}}])
def test_one_whose_end_nobody_tells_does_not(ends: Mapping[str, Mapping[int, int]]) -> None:
    assert {} == standing_still(BEHIND, {"t": {0: 3}}, ends, 101.0)


class Clock:
    """The monotonic clock of the module under test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Consumers:
    """Makes consumers that give what they are told to; counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.open = 0
        self.polled = Polled([], [])

    def make(self, _: int) -> TopicsConsumer:
        self.made += 1
        self.open += 1
        return cast("TopicsConsumer", self)

    def assign(self, offsets: Mapping[Place, int]) -> None:
        assert {("t", 0): 3} == offsets

    def unassign(self, places: Iterable[Place]) -> None:
        raise AssertionError(places)

    def poll(self, **_: Any) -> Polled:
        return self.polled

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fold_consumer, "time", clock)
    return clock


def heeded(clock: Clock, consumer: FoldConsumer, seconds: int, standing: Mapping[Place, Standing]) -> None:
    for _ in range(seconds):
        clock.now += 1
        consumer.poll(limit=1, timeout_s=0)
        consumer.heed(standing)


def test_a_consumer_is_replaced_ever_more_seldom_while_that_does_not_help(clock: Clock) -> None:
    consumers = Consumers()
    consumer = FoldConsumer(consumers.make, lambda: {("t", 0): 3})
    standing = {("t", 0): Standing(3, clock.now)}
    made = []
    for _ in range(7):
        heeded(clock, consumer, 10, standing)
        made.append(consumers.made)
    assert [2, 2, 3, 3, 3, 3, 4] == made
    heeded(clock, consumer, 1, {})
    heeded(clock, consumer, 10, {("t", 0): Standing(3, clock.now)})
    assert 5 == consumers.made
    assert 1 == consumers.open


def test_one_that_always_has_something_to_give_stays(clock: Clock) -> None:
    consumers = Consumers()
    consumers.polled = Polled([cast("Any", object())], [])
    consumer = FoldConsumer(consumers.make, lambda: {("t", 0): 3})
    heeded(clock, consumer, 600, {("t", 0): Standing(3, clock.now)})
    assert 1 == consumers.made
