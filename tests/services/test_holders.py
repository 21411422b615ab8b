from __future__ import annotations

import time
from typing import Any, cast

from core.mirror_shares import Part, Share
from projections.replicas import Replica, ReplicaStatus
from services.holders import Holders, partition_map
from services.topic_access import TopicAccess

ACCESS = cast("TopicAccess", None)

LEASE_MS = 60_000


def replica(name: str, *, is_ready: bool = True, age_ms: int = 0, partitions: int = 3, **more: Any) -> Replica:
    status = ReplicaStatus(
        topic="t",
        topic_id="id",
        replica=name,
        address=f"{name}:1",
        partitions=list(range(partitions)),
        is_ready=is_ready,
        entries=more.get("entries", 0),
        share=more.get("share"),
        lease_ms=LEASE_MS,
    )
    return Replica(status, int(time.time() * 1000) - age_ms)


def test_those_that_are_ready_are_asked_in_turns() -> None:
    holders = Holders(lambda _: [replica("a"), replica("b")])
    assert [["a:1", "b:1"], ["b:1", "a:1"], ["a:1", "b:1"]] == [holders.addresses(ACCESS) for _ in range(3)]


def test_those_that_are_not_ready_or_silent_come_last_and_the_last_heard_of_them_first() -> None:
    silent, building = replica("silent", age_ms=LEASE_MS + 1), replica("building", is_ready=False)
    holders = Holders(lambda _: [silent, building, replica("ready")])
    assert ["ready:1", "building:1", "silent:1"] == holders.addresses(ACCESS)


def test_one_that_did_not_answer_is_asked_behind_the_other_ready_ones_until_it_answers() -> None:
    holders = Holders(lambda _: [replica("a"), replica("b"), replica("c", is_ready=False)])
    holders.note_failure("a:1")
    assert [["b:1", "a:1", "c:1"]] * 2 == [holders.addresses(ACCESS) for _ in range(2)]
    holders.note_answer("a:1")
    assert ["a:1", "b:1", "c:1"] == holders.addresses(ACCESS)


def sharing(replicas: int, copies: int, *numbers: int, **more: Any) -> list[Replica]:
    return [replica(f"{replicas}-{at}", share=Share(replicas, copies, at), **more) for at in numbers]


def test_a_part_is_asked_of_those_that_hold_it_and_the_whole_of_those_that_hold_everything() -> None:
    holders = Holders(lambda _: [*sharing(3, 2, 0, 1, 2), replica("whole")])
    assert {"3-0:1", "3-1:1", "whole:1"} == set(holders.addresses(ACCESS, part=Part(0, 3)))
    assert {"3-2:1", "3-0:1", "whole:1"} == set(holders.addresses(ACCESS, part=Part(2, 3)))
    assert ["whole:1"] == holders.addresses(ACCESS)
    assert ["whole:1"] == holders.addresses(ACCESS, part=Part(0, 4))


def test_a_topic_is_asked_for_in_as_many_parts_as_most_of_are_held() -> None:
    def parts(*replicas: list[Replica]) -> int | None:
        return Holders(lambda _: [one for some in replicas for one in some]).parts(ACCESS)

    assert parts() is None
    assert 3 == parts(sharing(3, 2, 0, 1, 2))
    assert parts(sharing(3, 2, 0, 1, 2), [replica("whole")]) is None
    assert 3 == parts(sharing(3, 2, 0, 1, 2), [replica("whole", is_ready=False)])
    # One after the other is started again as one of four.
    assert [3, 3, 4] == [
        parts(sharing(3, 2, 1, 2), sharing(4, 2, 0)),
        parts(sharing(3, 2, 2), sharing(4, 2, 0)),
        parts(sharing(3, 2, 2), sharing(4, 2, 0, 1, 3)),
    ]
    assert 3 == parts(sharing(3, 2, 0, age_ms=LEASE_MS + 1))


def test_how_many_entries_there_are_is_reckoned_from_a_share() -> None:
    assert 60 == Holders(lambda _: sharing(3, 2, 0, entries=40)).entries(ACCESS)


def test_whoever_answered_before_is_asked_again_unless_it_failed() -> None:
    holders = Holders(lambda _: [replica("a"), replica("b")])
    assert [["b:1", "a:1"]] * 3 == [holders.addresses(ACCESS, "b:1") for _ in range(3)]
    holders.note_failure("b:1")
    assert ["a:1", "b:1"] == holders.addresses(ACCESS, "b:1")


def test_the_entries_of_a_topic_are_those_that_most_are_told_of() -> None:
    assert 7 == Holders(lambda _: [replica("a", entries=3), replica("b", entries=7)]).entries(ACCESS)
    assert Holders(lambda _: []).entries(ACCESS) is None


def test_partitions_are_shared_out_among_those_that_are_ready() -> None:
    now_ms = int(time.time() * 1000)
    found = [replica("b"), replica("a"), replica("c", is_ready=False), replica("d", age_ms=LEASE_MS + 1)]
    assert {"0": "a:1", "1": "b:1", "2": "a:1"} == partition_map(found, now_ms)
    assert {"0": "a:1", "1": "b:1"} == partition_map([replica("a", partitions=1), replica("b", partitions=2)], now_ms)
    assert {} == partition_map(found[2:], now_ms)


def test_a_clock_that_was_set_back_lets_nothing_count_for_longer() -> None:
    now_ms = int(time.time() * 1000)
    assert not replica("a", age_ms=-1000).is_believed(now_ms)
    assert replica("a", age_ms=LEASE_MS // 2).is_believed(now_ms)
