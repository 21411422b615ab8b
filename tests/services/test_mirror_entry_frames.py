"""Batches as bytes: whatever goes in comes out, and what is broken is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError, TooLargeError
from projections.mirror_entries import Entry
from services.mirrors.entry_frames import FoundValue, decode_entries, decode_keys, encode_entries, encode_keys

KEYS = st.lists(st.binary(max_size=600), max_size=8)
ENTRIES = st.lists(st.none() | st.builds(Entry, st.just(0), st.integers(-1, 2**62), st.binary(), st.binary()))


@given(KEYS)
def test_keys_come_out_as_they_went_in(keys: list[bytes]) -> None:
    assert keys == decode_keys(encode_keys(keys), most=8)


@given(ENTRIES)
def test_entries_come_out_as_they_went_in(entries: list[Entry | None]) -> None:
    expected = [None if entry is None else FoundValue(entry.timestamp_ms, entry.value) for entry in entries]
    assert expected == decode_entries(encode_entries(entries))


def test_the_layout_is_the_described_one() -> None:
    assert bytes.fromhex("01 00000002 00000001 61 00000000") == encode_keys([b"a", b""])
    found = Entry(3, 258, b"a", b"xyz")
    assert bytes.fromhex("01 00000002 01 0000000000000102 00000003 78797a 00") == encode_entries([found, None])


@given(st.data())
def test_a_body_that_was_cut_or_continued_is_refused(data: st.DataObject) -> None:
    keys, entries = data.draw(KEYS), data.draw(ENTRIES)
    whole = encode_keys(keys)
    with pytest.raises(InvalidInputError):
        decode_keys(whole[: data.draw(st.integers(0, len(whole) - 1))], most=8)
    with pytest.raises(InvalidInputError):
        decode_keys(whole + b"x", most=8)
    answer = encode_entries(entries)
    with pytest.raises(InvalidInputError):
        decode_entries(answer[: data.draw(st.integers(0, len(answer) - 1))])
    with pytest.raises(InvalidInputError):
        decode_entries(answer + b"\x00")


@given(st.binary())
def test_garbage_is_refused_and_nothing_worse(raw: bytes) -> None:
    for decode in (lambda: decode_keys(raw, most=8), lambda: decode_entries(raw)):
        try:
            decode()
        except InvalidInputError:
            continue
        assert 1 == raw[0]


def test_more_keys_than_are_taken_are_refused_before_they_are_read() -> None:
    with pytest.raises(TooLargeError, match="4294967295 keys, and 8 are taken"):
        decode_keys(b"\x01\xff\xff\xff\xff", most=8)


def test_another_version_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="version 2"):
        decode_keys(b"\x02\x00\x00\x00\x00", most=8)
