"""Mirrors over HTTP: real resources of mirror pods, without a network between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from core.errors import InvalidInputError, TooLargeError, UnavailableError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.position import Position
from projections.mirror_entries import Entry
from projections.pages import Placed, PlacedPage
from projections.windows import Window
from services import remote_mirrors, remote_moments
from services.holder_client import HolderAnswer, HolderClient, NoAnswerError
from services.holders import Holders
from services.mirrors.freshness import AT_LEAST_HEADER
from services.mirrors.keys import MAX_KEYS
from services.mirrors.ranges import MAX_AMONG
from services.mirrors.row_frames import encode_rows
from services.remote_mirrors import RemoteMirrors
from services.topic_access import TopicAccess, TopicAccesses
from tests.services.mirror_app import KEYS, TOPIC_ID, VALUES, MemoryMirror, MirrorApp, ordered
from tests.services.network import Network
from tests.services.test_holders import replica
from tests.services.written_mirror import WrittenMirror

ACCESS = TopicAccess("t", TOPIC_ID, KEYS, VALUES, 1, None, mirror=MirrorDefinition())


def remote(network: Network, *names: str) -> RemoteMirrors:
    holders = Holders(lambda _: [replica(name, entries=4) for name in names])
    return RemoteMirrors(cast("TopicAccesses", None), holders, cast("HolderClient", network))


def gone() -> HolderAnswer:
    raise NoAnswerError("gone")


def answering(status: int, detail: str) -> Callable[[], HolderAnswer]:
    return lambda: HolderAnswer(status, {}, json.dumps({"detail": detail}).encode())


@pytest.fixture
def mirror() -> MemoryMirror:
    mirror = MemoryMirror()
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        mirror.write(key, value)
    return mirror


@pytest.fixture
def one(mirror: MemoryMirror) -> Network:
    return Network({"one:1": MirrorApp(mirror).client()})


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_mirrors, "PATIENCE_S", 0.06)


def value(number: int) -> bytes:
    return VALUES.encode(number)


def test_values_come_in_the_order_of_their_keys_by_one_request(one: Network) -> None:
    moment = remote(one, "one").moment(ACCESS)
    keys = [KEYS.encode(key) for key in ("b", "x", "a", "b")]
    assert [value(2), None, value(3), value(2)] == list(moment.values(keys))
    assert value(3) == moment.value(KEYS.encode("a"))
    assert ["one:1"] * 2 == one.asked


def test_an_entry_comes_with_its_place(one: Network, mirror: MemoryMirror) -> None:
    moment = remote(one, "one").moment(ACCESS)
    assert mirror.last[KEYS.encode("a")] == moment.get(KEYS.encode("a"))
    assert moment.get(KEYS.encode("x")) is None


def test_ranges_and_pages_come_as_they_are_beside_the_mirror(
    one: Network, mirror: MemoryMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = remote(one, "one").moment(ACCESS)
    bounds = Bounds(ordered(1), ordered(3), includes_low=True, includes_high=True)
    for reverse in (False, True):
        window = Window(reverse=reverse, limit=10)
        expected = mirror.range(KEYS.encode("a"), bounds, window)
        assert 2 == len(expected)
        assert expected == moment.range(KEYS.encode("a"), bounds, window)
    assert [] == moment.range(KEYS.encode("a"), Bounds(None, ordered(1)))
    monkeypatch.setattr(remote_moments, "PAGE_ROWS", 1)
    assert [["a"], ["b"]] == [[KEYS.decode(row.key) for row in page] for page in moment.pages() if page]


def test_another_replica_is_asked_when_one_does_not_answer_and_first_from_then_on(mirror: MemoryMirror) -> None:
    network = Network({"one:1": gone, "two:1": MirrorApp(mirror).client()})
    mirrors = remote(network, "one", "two")
    for _ in range(3):
        assert value(2) == mirrors.moment(ACCESS).value(KEYS.encode("b"))
    assert ["one:1", "two:1", "two:1", "two:1"] == network.asked


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (gone, "one:1 does not answer"),
        (answering(503, "The mirror of topic t is being built."), "one:1 says: The mirror of topic t is being built"),
        (answering(404, "Topic t not found in topic registry"), "one:1 says: Topic t not found in topic registry"),
        (answering(401, "No"), "one:1 refuses the API key of this process, which is to be the same for all"),
        (lambda: HolderAnswer(502, {}, b"<html>"), "one:1 says: it answers 502"),
    ],
)
def test_that_nobody_answers_as_it_should_is_told_and_never_taken_for_no_value(
    answer: Callable[[], HolderAnswer], reason: str
) -> None:
    moment = remote(Network({"one:1": answer}), "one").moment(ACCESS)
    with pytest.raises(UnavailableError) as caught:
        moment.value(b"a")
    assert f"The mirror of topic t cannot be read now: of its replicas {reason}" in str(caught.value)


def test_a_mirror_that_nobody_has_announced_is_told() -> None:
    with pytest.raises(UnavailableError, match="of its replicas none has announced itself"):
        remote(Network({})).moment(ACCESS).value(b"a")


def test_a_replica_that_starts_meanwhile_is_asked_again(mirror: MemoryMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_mirrors, "PATIENCE_S", 60)
    app, answers = MirrorApp(mirror).client(), iter([gone])
    network = Network({})

    def starting() -> HolderAnswer:
        network.apps["one:1"] = app
        return next(answers)()

    network.apps["one:1"] = starting
    assert value(2) == remote(network, "one").moment(ACCESS).value(KEYS.encode("b"))


def test_too_much_is_no_reason_to_ask_another_one() -> None:
    network = Network({"one:1": answering(413, "Too many bytes."), "two:1": gone})
    with pytest.raises(TooLargeError, match="Too many bytes"):
        remote(network, "one", "two").moment(ACCESS).value(b"a")
    assert ["one:1"] == network.asked


@pytest.mark.parametrize("body", [b"", b"\x01\x00\x00\x00\x02\x00", b"\x01\x00\x00\x00\x02\x00\x00"])
def test_an_answer_that_was_cut_off_or_is_of_other_keys_is_not_taken(body: bytes) -> None:
    network = Network({"one:1": lambda: HolderAnswer(200, {}, body)})
    with pytest.raises(UnavailableError, match="cannot be used"):
        remote(network, "one").moment(ACCESS).value(b"a")


def test_an_operation_is_not_answered_older_than_before_whoever_answers(mirror: MemoryMirror) -> None:
    behind = MemoryMirror()
    behind.write("a", 1)
    network = Network({"one:1": MirrorApp(mirror).client(), "two:1": gone})
    moment = remote(network, "one", "two").moment(ACCESS)
    assert value(3) == moment.value(KEYS.encode("a"))
    network.apps = {"one:1": gone, "two:1": MirrorApp(behind).client()}
    for key, number in (("b", 2), ("a", 3)):
        behind.write(key, number)
    assert value(3) == moment.value(KEYS.encode("a"))
    position = Position.parse(network.sent[-1][AT_LEAST_HEADER])
    assert Position(TOPIC_ID, {0: 2}) == position


def test_what_was_once_included_is_asked_of_all_from_then_on(one: Network, mirror: MemoryMirror) -> None:
    mirrors = remote(one, "one")
    mirrors.include(ACCESS, {AT_LEAST_HEADER: Position(TOPIC_ID, {0: 1}).token()})
    mirrors.moment(ACCESS).value(KEYS.encode("a"))
    assert Position(TOPIC_ID, {0: 2}) == Position.parse(one.sent[-1][AT_LEAST_HEADER])


def test_how_many_entries_there_are_is_what_replicas_announce(one: Network) -> None:
    assert 4 == remote(one, "one").mirror(ACCESS).size().entries
    with pytest.raises(UnavailableError):
        remote(one).mirror(ACCESS).size()


def test_what_a_replica_refuses_is_the_fault_of_whoever_asks(mirror: MemoryMirror) -> None:
    network = Network({"one:1": answering(400, "Made up."), "two:1": answering(400, "Made up.")})
    with pytest.raises(InvalidInputError, match=r"^Made up\.$"):
        remote(network, "one", "two").moment(ACCESS).page()
    assert ["one:1", "two:1"] == network.asked
    network = Network({"one:1": answering(400, "A newer body."), "two:1": MirrorApp(mirror).client()})
    assert value(2) == remote(network, "one", "two").moment(ACCESS).value(KEYS.encode("b"))


def test_an_index_that_one_replica_has_not_built_is_asked_of_the_others_and_not_waited_for() -> None:
    lacking = HolderAnswer(503, {"quick-lacks": "index"}, b'{"detail": "Not built yet."}')
    page = PlacedPage([], None)
    built = HolderAnswer(200, {}, encode_rows(page))
    network = Network({"one:1": lambda: lacking, "two:1": lambda: built})
    mirrors = remote(network, "one", "two")
    assert page == mirrors.moment(ACCESS).found("n", [Bounds()])
    network.apps["two:1"] = lambda: lacking
    network.asked.clear()
    with pytest.raises(UnavailableError, match=r"^Not built yet\.$"):
        mirrors.moment(ACCESS).found("n", [Bounds()])
    assert ["one:1", "two:1"] == sorted(network.asked)


def test_a_long_range_comes_in_several_answers_and_within_its_limit(
    one: Network, mirror: MemoryMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [PlacedPage([Placed(b"", Entry(0, 0, b"a", b"v" * 9))] * 2, b"more")] * 2
    pieces.append(PlacedPage(pieces[0].rows[:1], None))

    def ask(bodies: list[PlacedPage], limit: int | None) -> list[Entry]:
        answers = iter(bodies)
        network = Network({"one:1": lambda: HolderAnswer(200, {}, encode_rows(next(answers)))})
        return remote(network, "one").moment(ACCESS).range(b"a", Bounds(), Window(limit=limit))

    assert [5, 4, 2] == [len(ask(pieces, limit)) for limit in (None, 4, 2)]
    monkeypatch.setattr(remote_moments, "MAX_ANSWER_BYTES", 35)
    with pytest.raises(TooLargeError, match="more than 35 bytes"):
        ask(pieces, None)


KEY, BOUNDS = "YQ==", [None, None, True, False]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "The body asks for nothing."),
        ([], "Expected `object`"),
        ({"limit": 1}, "unknown field `limit`"),
        ({"keys": [KEY], "window": {}}, "The body asks for keys and window."),
        ({"keys": [KEY], "range": {"key": KEY, "bounds": BOUNDS}}, "The body asks for keys and range."),
        ({"keys": ["%"]}, "Invalid base64"),
        ({"keys": [KEY] * (MAX_KEYS + 1)}, "are taken at once"),
        ({"range": {"key": KEY}}, "missing required field `bounds`"),
        ({"range": {"key": KEY, "bounds": [*BOUNDS, 1]}}, "length 0 to 4, got 5"),
        ({"index": {"field": 1, "parts": []}}, "Expected `str`"),
        ({"index": {"field": "n", "parts": [BOUNDS] * (MAX_AMONG + 1)}}, "are taken at once"),
        ({"window": {"limit": 0}}, "Expected `int` >= 1"),
        ({"window": {"limit": -(2**70)}}, "Expected `int`"),
        ({"window": {"after": 1}}, "Expected `bytes | null`"),
        ({"window": {"reverse": "no"}}, "Expected `bool`"),
        ({"window": {"until": ""}}, "This cursor was made up."),
        ({"window": {"after": "AGFh" * 300}}, "This cursor was made up."),
        ({"index": {"field": "n", "parts": [BOUNDS]}}, "The mirror has no index of the field n."),
        ({"range": {"key": KEY, "bounds": BOUNDS}}, "no range index set"),
        ({"window": {}, "declared": {"indexes": "n"}}, "Expected `array`"),
    ],
)
def test_what_a_replica_cannot_be_asked_for_is_told_and_why(tmp_path: Path, body: Any, reason: str) -> None:
    written = WrittenMirror(tmp_path / "m", KEYS, VALUES)
    answer: Any = MirrorApp(written.view, access=written.access).client().simulate_post("/mirror/t/rows", json=body)
    written.close()
    assert answer.status_code == (413 if "at once" in reason else 400), answer.text
    assert reason in answer.json["detail"]
