from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from projections.mirror_entries import Entry
from projections.pages import Placed, PlacedPage
from services.mirrors.row_frames import decode_rows, encode_rows

ROWS = [
    Placed(b"", Entry(0, 1, b"key", b"value")),
    Placed(b"place" * 99, Entry(2**31, -1, b"", b"\x00" * 3, 2**62)),
    Placed(b"\x00", Entry(1, 2**60, b"\xff" * 600, b"")),
]


@pytest.mark.parametrize("following", [None, b"", b"behind" * 9999])
def test_rows_come_back_as_they_were(following: bytes | None) -> None:
    for rows in (ROWS, []):
        page = PlacedPage(rows, following)
        assert page == decode_rows(encode_rows(page))


def test_rows_that_were_cut_off_are_refused_wherever() -> None:
    raw = encode_rows(PlacedPage(ROWS, b"behind"))
    for end in range(len(raw)):
        with pytest.raises(InvalidInputError, match="does not end where it says"):
            decode_rows(raw[:end])
    with pytest.raises(InvalidInputError, match="does not end where it says"):
        decode_rows(raw + b"x")


def test_rows_of_a_newer_version_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="is of version 3, and this program reads 2"):
        decode_rows(b"\x03" + encode_rows(PlacedPage(ROWS, None))[1:])
