from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UndecodableError
from core.record import (
    Base64,
    CommandRecord,
    RecordedEvent,
    VoidRecord,
    decode,
    encode,
    new_void,
    state_of,
    timestamp_of,
    timestamp_text,
)


def test_a_command_is_json_that_a_person_can_read() -> None:
    record = CommandRecord(
        format=1,
        application="quick",
        command_id="c1",
        command="create_topic",
        target="topic/flight",
        actor="default",
        events=(RecordedEvent("id", 1, "quick:TopicCreated", '{"name":"flight"}'),),
    )
    expected = {
        "format": 1,
        "application": "quick",
        "command_id": "c1",
        "command": "create_topic",
        "target": "topic/flight",
        "actor": "default",
        "events": [
            {
                "originator_id": "id",
                "originator_version": 1,
                "topic": "quick:TopicCreated",
                "state": '{"name":"flight"}',
            }
        ],
    }
    assert expected == json.loads(encode(record))


def test_the_first_release_is_read_for_ever() -> None:
    raw = (
        b'{"format":1,"application":"quick","command_id":"c1","command":"create_topic","target":"topic/a",'
        b'"actor":"default","source":"u@h","reason":"why","issued_at":"2026-11-24T00:00:00.000Z","trace":null,'
        b'"expected":[{"originator_id":"a","head":null},{"originator_id":"b","head":3}],'
        b'"events":[{"originator_id":"a","originator_version":1,"topic":"t","state":{"base64":"/wA="}}],'
        b'"tracking":{"application":"other","notification_id":7},"recorded_at":"2020-01-01T00:00:00.000Z",'
        b'"added_by_a_later_version":true}'
    )
    record = decode(raw)
    assert isinstance(record, CommandRecord)
    assert b"\xff\x00" == record.events[0].state_bytes()
    assert [None, 3] == [expected.head for expected in record.expected]


def test_a_void_is_read_as_one() -> None:
    record = decode(encode(new_void("quick", "c1")))
    assert isinstance(record, VoidRecord)
    assert "c1" == record.void


@pytest.mark.parametrize("state", [b"", b"text", "größe".encode(), b"\xff\xfe", bytes(range(256))])
def test_any_state_comes_back_byte_for_byte(state: bytes) -> None:
    assert state == RecordedEvent("a", 1, "t", state_of(state)).state_bytes()


def test_only_what_is_no_text_becomes_base64() -> None:
    assert "{}" == state_of(b"{}")
    assert Base64("/w==") == state_of(b"\xff")


def _with_event(event: bytes) -> bytes:
    return b'{"format":1,"application":"a","command_id":"c","events":[' + event + b"]}"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "has no value"),
        (b"", "not a record"),
        (b"garbage", "not a record"),
        (b"[]", "not a record"),
        (b'{"format":"1"}', "not a record"),
        (b'{"format":1,"application":"a"}', "not a record"),
        (b'{"format":2,"anything":"else"}', "upgrade"),
        (b'{"format":0}', "never existed"),
        (
            _with_event(b'{"originator_id":"a","originator_version":-1,"topic":"t","state":""}'),
            "not a record",
        ),
        (
            _with_event(b'{"originator_id":"a","originator_version":1,"topic":"t","state":{"base64":"?"}}'),
            "not a record",
        ),
        (b'{"format":1,"application":"\xff","command_id":"c","events":[]}', "not a record"),
    ],
)
def test_what_is_no_record_is_told_so(raw: bytes | None, reason: str) -> None:
    with pytest.raises(UndecodableError, match=reason):
        decode(raw)


def test_times_are_utc_with_milliseconds() -> None:
    assert "2026-11-24T03:34:00.123Z" == timestamp_text(1795491240123)


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_a_time_comes_back_from_its_text(timestamp_ms: int) -> None:
    assert timestamp_ms == timestamp_of(timestamp_text(timestamp_ms))


@pytest.mark.parametrize(
    ("text", "timestamp_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.001999", 1001),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_time_without_an_offset_is_utc_and_less_than_milliseconds_is_dropped(text: str, timestamp_ms: int) -> None:
    assert timestamp_ms == timestamp_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1700000000",
        "2020-13-01T00:00:00Z",
        "\ud800",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_what_is_no_time_or_could_not_be_shown_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        timestamp_of(text)
