"""Position and lag on every answer, and what a request may demand of them."""

from __future__ import annotations

import time

import pytest

from core.errors import InvalidInputError
from core.position import Position
from projections.freshness import Freshness
from services.mirrors import finding
from services.mirrors.freshness import UNKNOWN, MaxLag, lag_text
from tests.services.mirror_app import TOPIC_ID, MemoryMirror, MirrorApp, get


@pytest.fixture
def mirror() -> MemoryMirror:
    mirror = MemoryMirror()
    mirror.write("a", 1)
    mirror.write("b", 2)
    return mirror


def await_next_lag() -> None:
    """Wait until a lag is found anew: answers of one millisecond tell the same one."""
    told_at_ms = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == told_at_ms:
        pass


@pytest.mark.parametrize(
    ("lag", "text"),
    [
        (Freshness(0, 0.0), "records=0; seconds=0"),
        (Freshness(12, 0.4567), "records=12; seconds=0.457"),
        (Freshness(3, 120.0), "records=3; seconds=120"),
        (Freshness(10_000_000, 1e9), "records=10000000; seconds=1000000000"),
        (Freshness(None, 2.0), "records=unknown; seconds=2"),
        (UNKNOWN, "records=unknown; seconds=unknown"),
    ],
)
def test_a_lag_is_shown_in_records_and_seconds(lag: Freshness, text: str) -> None:
    assert text == lag_text(lag)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5s", MaxLag(None, 5.0)),
        ("500ms", MaxLag(None, 0.5)),
        ("1.5 m", MaxLag(None, 90.0)),
        ("100 records", MaxLag(100, None)),
        ("1 record", MaxLag(1, None)),
        ("0records, 0s", MaxLag(0, 0.0)),
        (" 2s ,3 records ", MaxLag(3, 2.0)),
    ],
)
def test_the_allowed_lag_is_a_time_a_number_of_records_or_both(text: str, expected: MaxLag) -> None:
    assert expected == MaxLag.parse(text)


@pytest.mark.parametrize(
    "text", ["", "5", "5 h", "-5s", "1e3s", "5s,", "5s, 6s", "1 record, 2 records", "5s; 1 record", "٣s", "NaN s"]
)
def test_a_malformed_one_is_refused(text: str, mirror: MemoryMirror) -> None:
    with pytest.raises(InvalidInputError, match="Quick-Max-Lag"):
        MaxLag.parse(text)


def test_every_answer_says_where_the_mirror_is_and_how_far_behind(mirror: MemoryMirror) -> None:
    app = MirrorApp(mirror, lag=Freshness(7, 0.25))
    client = app.client()
    token = Position(TOPIC_ID, {0: 1}).token()
    for path, query in (("a", ""), ("missing", ""), ("keys", "ids=a"), ("range/a", "")):
        answer = client.simulate_get(f"/mirror/t/mirror/{path}", query_string=query)
        assert (token, "records=7; seconds=0.25") == (answer.headers["quick-position"], answer.headers["quick-lag"])
    app.lag = Freshness(8, 0.25)
    mirror.write("a", 3)
    answer = client.simulate_get("/mirror/t/mirror")
    assert Position(TOPIC_ID, {0: 2}) == Position.parse(answer.headers["quick-position"])
    assert "records=8; seconds=0.25" == answer.headers["quick-lag"]


def test_the_offsets_are_read_once_until_the_mirror_changes(mirror: MemoryMirror) -> None:
    client = MirrorApp(mirror).client()
    for _ in range(5):
        get(client, "/mirror/t/mirror/a")
    assert 1 == mirror.asked_offsets
    mirror.write("c", 1)
    for _ in range(5):
        get(client, "/mirror/t/mirror/a")
    assert 2 == mirror.asked_offsets


def test_an_answer_that_is_too_stale_is_refused_with_the_lag(mirror: MemoryMirror) -> None:
    app = MirrorApp(mirror, lag=Freshness(7, 0.25))
    client = app.client()
    for allowed in ("250ms", "7 records", "1s, 8 records"):
        assert (200, {"value": 1}) == get(client, "/mirror/t/mirror/a", Quick_Max_Lag=allowed)
    for allowed in ("249ms", "6 records", "1s, 6 records"):
        answer = client.simulate_get("/mirror/t/mirror/a", headers={"Quick-Max-Lag": allowed})
        assert (503, "records=7; seconds=0.25") == (answer.status_code, answer.headers["quick-lag"])
        assert "records=7; seconds=0.25" in answer.json["detail"]
    app.lag = UNKNOWN
    await_next_lag()
    status, detail = get(client, "/mirror/t/mirror/a", Quick_Max_Lag="1000m")
    assert (503, True) == (status, "unknown" in detail)
    assert 400 == get(client, "/mirror/t/mirror/a", Quick_Max_Lag="soon")[0]


def test_a_position_that_is_not_reached_is_answered_with_the_one_that_is(
    mirror: MemoryMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "AT_LEAST_TIMEOUT_S", 0.05)
    client = MirrorApp(mirror).client()
    for offset in (2, 2**63):
        wanted = Position(TOPIC_ID, {0: offset}).token()
        answer = client.simulate_get("/mirror/t/mirror/a", headers={"Quick-At-Least": wanted})
        assert 503 == answer.status_code
        assert Position(TOPIC_ID, {0: 1}) == Position.parse(answer.headers["quick-position"])
    reached = answer.headers["quick-position"]
    assert (200, {"value": 1}) == get(client, "/mirror/t/mirror/a", Quick_At_Least=reached)
    for token in (Position("another", {0: 0}).token(), Position(TOPIC_ID, {2**31: 0}).token(), "x"):
        assert 400 == get(client, "/mirror/t/mirror/a", Quick_At_Least=token)[0]
