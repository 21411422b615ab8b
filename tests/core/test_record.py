from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NewerFormatError, UndecodableError
from core.record import (
    MAX_NESTING,
    Base64,
    CommandRecord,
    QuarantineRecord,
    RecordedEvent,
    VoidRecord,
    decode,
    encode,
    new_void,
    quarantine_in,
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


GARBAGE = [
    None,
    b"",
    b"garbage",
    b"null",
    b"[]",
    b"{}",
    b'{"format":1.0,"application":"a","void":"c"}',
    b'{"format":true,"application":"a","void":"c"}',
    b'{"format":null,"application":"a","void":"c"}',
    b'{"format":-1,"application":"a","void":"c"}',
    b'{"format":1,"application":"a","void":5}',
    b'{"format":1,"application":"a","void":5,"command_id":"c","events":[]}',
    b'{"format":1,"application":"a","void":"\\ud800"}',
    b'{"format":1,"application":5,"quarantine":0}',
    b'{"format":1,"application":"a","quarantine":-1}',
    b'{"format":1,"application":"a","quarantine":9223372036854775808}',
    b'{"format":1,"application":"a","quarantine":"0"}',
    b'{"format":1,"application":"a","quarantine":0.0}',
    b'{"format":1,"application":"a","quarantine":1e400}',
    b'{"format":1,"application":"a","quarantine":[0],"command_id":"c","events":[]}',
    b'{"format":1,"application":"a","quarantine":' + b"9" * 5000 + b"}",
    b'{"format":1,"application":"a","quarantine":0}{"format":2}',
    b'{"format":1,"application":"a","command_id":"c","events":null}',
    b'{"format":1,"application":"a","command_id":"c","events":[],"tracking":{"application":"b"}}',
    b"[" * 1_000_000,
    b'{"format":1,"application":"a","void":"c","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"format":2,"more":' + b'{"a":' * 100_000 + b"0" + b"}" * 100_000 + b"}",
]


@pytest.mark.parametrize("raw", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_of_no_newer_format_and_no_quarantine(raw: bytes | None) -> None:
    with pytest.raises(UndecodableError) as caught:
        decode(raw)
    assert UndecodableError is type(caught.value)
    assert quarantine_in(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"format":2}',
        b'{"format":99999999999999999999999}',
        b'{"format":1,"format":2,"application":"a","void":"c"}',
        b'{"format":2,"void":{"command_ids":["c"]}}',
        b'{"format":2,"void":5}',
        b'{"format":2,"quarantine":[1,2]}',
        b'{"format":2,"quarantine":1e400}',
        b'{"format":2,"application":"a","quarantine":0}',
    ],
)
def test_a_newer_format_is_told_from_garbage_whatever_else_it_holds(raw: bytes) -> None:
    with pytest.raises(NewerFormatError, match="upgrade"):
        decode(raw)
    assert quarantine_in(raw) is None


def test_a_quarantine_is_json_that_a_person_can_read() -> None:
    quarantine = QuarantineRecord(
        format=1, application="quick", quarantine=7, reason="not ours", actor="default", source="me@here", issued_at="t"
    )
    expected = {
        "format": 1,
        "application": "quick",
        "quarantine": 7,
        "reason": "not ours",
        "actor": "default",
        "source": "me@here",
        "issued_at": "t",
    }
    assert expected == json.loads(encode(quarantine))
    assert quarantine == decode(encode(quarantine)) == quarantine_in(encode(quarantine))


@pytest.mark.parametrize("offset", [0, 2**63 - 1])
def test_a_quarantine_names_any_offset_that_kafka_has(offset: int) -> None:
    quarantine = quarantine_in(b'{"format":1,"application":"a","quarantine":%d}' % offset)
    assert quarantine is not None
    assert offset == quarantine.quarantine


def test_a_record_that_could_be_two_forms_is_the_first_of_void_quarantine_and_command() -> None:
    command = b'"command_id":"c","events":[]'
    both = decode(b'{"format":1,"application":"a","quarantine":0,"void":"c",' + command + b"}")
    assert isinstance(both, VoidRecord)
    assert isinstance(decode(b'{"format":1,"application":"a","quarantine":0,' + command + b"}"), QuarantineRecord)
    assert isinstance(decode(b'{"format":1,"application":"a","quarantine":null,' + command + b"}"), CommandRecord)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"format":1,"application":"a","void":"c"}',
        b'{"format":1,"application":"a","command_id":"c","events":[]}',
    ],
)
def test_no_other_record_is_a_quarantine(raw: bytes) -> None:
    assert quarantine_in(raw) is None


def _from_depth(depth: int, call: Callable[[], object]) -> object:
    return call() if depth == 0 else _from_depth(depth - 1, call)


@pytest.mark.parametrize("stack", [0, 700])
def test_how_deep_a_record_nests_is_judged_alike_by_every_reader(stack: int) -> None:
    def with_nesting(depth: int) -> bytes:
        nested = b"[" * (depth - 1) + b"]" * (depth - 1)
        # Brackets in texts are none, whatever is escaped in them.
        return b'{"format":1,"application":"[[{\\"[[\\\\","void":"c","more":' + nested + b"}"

    assert isinstance(_from_depth(stack, lambda: decode(with_nesting(MAX_NESTING))), VoidRecord)
    with pytest.raises(UndecodableError, match=f"deeper than {MAX_NESTING}"):
        _from_depth(stack, lambda: decode(with_nesting(MAX_NESTING + 1)))


def test_many_brackets_side_by_side_or_in_texts_are_not_deep() -> None:
    events = ",".join(
        json.dumps({"originator_id": "a", "originator_version": v, "topic": "t", "state": "[{" * 100})
        for v in range(1, 200)
    )
    record = decode(f'{{"format":1,"application":"a","command_id":"c","events":[{events}]}}'.encode())
    assert isinstance(record, CommandRecord)
    assert 199 == len(record.events)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_bytes_there_are_a_reader_goes_on(raw: bytes) -> None:
    try:
        decode(raw)
    except UndecodableError:
        assert quarantine_in(raw) is None


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
