from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from services.mirrors.cursors import cursor, known_place, place_of


@pytest.mark.parametrize("place", [b"\x00", b"\xff" * 511, b"a long field of an index, whole" * 100])
def test_a_cursor_gives_its_place_back_however_long(place: bytes) -> None:
    token = cursor("index", place)
    assert place == place_of("index", token) == known_place("index", token)
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "token", ["", "A", "AAAA", "ü", "\ud800", "=", cursor("other", b"x"), cursor("index", b"x")[1:]]
)
def test_what_is_no_cursor_is_refused(token: str) -> None:
    assert known_place("index", token) is None
    with pytest.raises(InvalidInputError, match="is no cursor for this"):
        place_of("index", token)
