"""Moments on the command line: positions, times, and how long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rich_click as click
from hypothesis import given
from hypothesis import strategies as st

from cli.moments import Moment, Time, expiry_text, time_text

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 11, 24, 15, 30, 12, 345678, timezone(timedelta(hours=1)))
"""In Berlin."""


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", "2026-11-24T14:30:12.345Z"),
        ("0s", "2026-11-24T14:30:12.345Z"),
        ("90s", "2026-11-24T14:28:42.345Z"),
        ("15m", "2026-11-24T14:15:12.345Z"),
        ("2h", "2026-11-24T12:30:12.345Z"),
        ("3d", "2026-11-21T14:30:12.345Z"),
        ("1w", "2026-11-17T14:30:12.345Z"),
        ("12:00", "2026-11-24T11:00:00.000Z"),
        ("9:05", "2026-11-24T08:05:00.000Z"),
        ("9:05:07", "2026-11-24T08:05:07.000Z"),
        ("23:59:59", "2026-11-24T22:59:59.000Z"),
        ("2026-01-31", "2026-01-30T23:00:00.000Z"),
        ("2026-01-31T12:00", "2026-01-31T11:00:00.000Z"),
        ("2026-01-31 12:00", "2026-01-31T11:00:00.000Z"),
        ("2026-07-31T12:00", "2026-07-31T10:00:00.000Z"),  # In summer the offset is another one.
        ("2026-01-31T12:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00.5-05:30", "2026-01-31T17:30:00.500Z"),
    ],
)
def test_a_time_is_of_this_machines_zone_unless_it_says_its_own(
    in_zone: Callable[[str], None], text: str, time: str
) -> None:
    in_zone(BERLIN)
    assert time == time_text(text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "17", "@17", "yesterday", "0001-01-01", "2026-13-01", "2026-02-30"),
        *("25:00", "12:60", "1:2", "12:00Z", "-1h", "1.5h", "2 h", "1y", "999999999w", "٢h"),
    ],
)
def test_what_is_no_time_is_refused(in_zone: Callable[[str], None], text: str) -> None:
    in_zone(BERLIN)
    with pytest.raises((ValueError, OverflowError)):
        time_text(text, NOW)
    with pytest.raises(click.BadParameter, match=r"is no time\. Write 2026-01-31T12:00, 12:00, 2h for two hours ago"):
        Time().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "moment"), [("17", "17"), ("@17", "17"), ("0", "0"), ("20260131", "20260131"), ("1" * 19, "1" * 19)]
)
def test_a_number_is_a_position(text: str, moment: str) -> None:
    assert moment == Moment().convert(text, None, None)


def test_a_moment_can_be_a_time() -> None:
    assert "2026-01-31T12:00:00.000Z" == Moment().convert("2026-01-31T12:00Z", None, None)


@pytest.mark.parametrize("text", ["", "@", "-1", "x", "17.0", "1 7"])
def test_what_is_no_moment_is_refused_with_examples_of_both_kinds(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no moment\. Write 17 for a position, or a time: 2026-"):
        Moment().convert(text, None, None)


@given(st.timedeltas(timedelta(days=-20_000), timedelta(days=20_000)))
def test_every_time_with_an_offset_is_kept_to_the_millisecond(distance: timedelta) -> None:
    moment = NOW + distance
    for zone in (UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))):
        text = time_text(moment.astimezone(zone).isoformat(), NOW)
        assert timedelta() <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)
        assert text.endswith("Z")
        assert text == time_text(text, NOW)


@given(st.integers(0, 10_000), st.sampled_from("smhdw"))
def test_so_long_ago_and_so_far_ahead_are_equally_far_from_now(count: int, unit: str) -> None:
    length = timedelta(seconds=count * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit])
    now = NOW.replace(microsecond=0)
    assert now - length == datetime.fromisoformat(time_text(f"{count}{unit}", now))
    if count:
        assert now + length == datetime.fromisoformat(expiry_text(f"{count}{unit}", now))


@given(st.text())
def test_any_text_is_a_time_in_utc_or_refused(text: str) -> None:
    try:
        found = time_text(text, NOW)
    except (ValueError, OverflowError):
        return
    assert timedelta() == datetime.fromisoformat(found).utcoffset()


def test_an_expiry_is_a_duration_ahead_or_a_time_in_the_future(in_zone: Callable[[str], None]) -> None:
    in_zone(BERLIN)
    assert "2027-02-22T14:30:12.345Z" == expiry_text("90d", NOW)
    assert "2027-01-30T23:00:00.000Z" == expiry_text("2027-01-31", NOW)
    assert "2026-11-24T15:00:00.000Z" == expiry_text("16:00", NOW)


@pytest.mark.parametrize("text", ["now", "0s", "12:00", "2026-01-31", "never", "999999999w", ""])
def test_an_expiry_that_has_passed_or_is_none_is_refused(in_zone: Callable[[str], None], text: str) -> None:
    in_zone(BERLIN)
    with pytest.raises((ValueError, OverflowError)):
        expiry_text(text, NOW)


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("17", "17"),
        ("2026-01-31T12:00", "2026-01-31T17%3A00%3A00.000Z"),
        ("2026-01-31T12:00+01:00", "2026-01-31T11%3A00%3A00.000Z"),
    ],
)
def test_as_of_is_sent_as_a_position_or_in_utc(quick: Any, manager: Any, moment: str, sent: str) -> None:
    manager.answers({"name": "t", "keyType": "LONG", "valueType": "LONG", "writeType": "MUTABLE"})
    assert 0 == quick("topic", "describe", "t", "--as-of", moment, TZ="EST5").code
    assert [f"/manager/topic/t?asOf={sent}"] == manager.paths


@pytest.mark.parametrize("command", [["topic", "list"], ["gateway", "list"], ["mirror", "list"]])
def test_lists_can_be_asked_as_of_a_moment(quick: Any, manager: Any, command: list[str]) -> None:
    manager.answers([{"name": "a"}])
    assert (0, "a\n", "") == quick(*command, "--as-of", "3")
    assert [f"/manager/{command[0]}s?asOf=3"] == manager.paths


def test_a_wrong_moment_is_a_mistake_on_the_command_line(quick: Any, manager: Any) -> None:
    done = quick("topic", "list", "--as-of", "soon")
    assert (2, "") == (done.code, done.out)
    assert "Error: Invalid value for '--as-of': 'soon' is no moment. Write 17 for a position" in done.err
    assert [] == manager.requests


def test_a_moment_to_come_is_refused_without_talk_of_missing_things(quick: Any, manager: Any) -> None:
    manager.refuses(400, "Bad Request", "asOf=9 has not come yet: the log ends at position 2.")
    text = "Bad Request: asOf=9 has not come yet: the log ends at position 2.\nCould not list the topics\n"
    assert (1, "", text) == quick("topic", "list", "--as-of", "9")
