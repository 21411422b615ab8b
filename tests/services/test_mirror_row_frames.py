from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from projections.mirror_entries import Entry
from services.mirrors.row_frames import decode_rows, encode_rows

ROWS = [Entry(0, 1, b"key", b"value"), Entry(2**31, -1, b"", b"\x00" * 3, 2**62), Entry(1, 2**60, b"\xff" * 600, b"")]


def test_rows_come_back_as_they_were() -> None:
    assert ROWS == decode_rows(encode_rows(ROWS))
    assert [] == decode_rows(encode_rows([]))


def test_rows_that_were_cut_off_are_refused_wherever() -> None:
    raw = encode_rows(ROWS)
    for end in range(len(raw)):
        with pytest.raises(InvalidInputError, match="does not end where it says"):
            decode_rows(raw[:end])
    with pytest.raises(InvalidInputError, match="does not end where it says"):
        decode_rows(raw + b"x")


def test_rows_of_a_newer_version_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="is of version 2, and this program reads 1"):
        decode_rows(b"\x02" + encode_rows(ROWS)[1:])
