from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from core.position import Position


def test_a_token_comes_back_as_its_position() -> None:
    position = Position("MdX+PvSPQwGRtCwjcj1sXw", {0: 7, 41: 2**40})
    assert position == Position.parse(position.token())


def test_positions_are_joined_into_one_behind_both() -> None:
    first, second = Position("id", {0: 7, 1: 2}), Position("id", {0: 5, 2: 1})
    assert Position("id", {0: 7, 1: 2, 2: 1}) == first.joined(second) == second.joined(first)


def test_a_position_in_a_successor_of_the_topic_replaces_one_before() -> None:
    later = Position("other", {0: 1})
    assert later == Position("id", {0: 7}).joined(later)


def test_a_token_can_stand_in_a_header_and_in_a_url() -> None:
    token = Position("MdX+PvSPQwGRtCwjcj1sXw", dict.fromkeys(range(50), 2**40)).token()
    assert token.replace("-", "a").replace("_", "a").isalnum()


@pytest.mark.parametrize("token", ["", "garbage", "ü", "krZ", "a" * 10_000, "[]", "kgGA", "krZ+/w=="])
def test_what_is_no_token_is_told_so(token: str) -> None:
    with pytest.raises(InvalidInputError, match="is no position"):
        Position.parse(token)
