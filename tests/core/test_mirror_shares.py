from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.mirror_shares import Part, Share, part_of


@given(st.integers(1, 7), st.data(), st.lists(st.binary(max_size=9)))
def test_each_key_is_held_by_as_many_replicas_as_there_are_copies(
    replicas: int, data: st.DataObject, keys: list[bytes]
) -> None:
    copies = data.draw(st.integers(1, replicas))
    shares = [Share(replicas, copies, number) for number in range(replicas)]
    held = [share.holds(keys) for share in shares]
    assert [copies] * len(keys) == [sum(each[at] for each in held) for at in range(len(keys))]
    for key, *holders in zip(keys, *held, strict=True):
        part = Part(part_of(key, replicas), replicas)
        assert part.has(key)
        assert holders == [share.has(part) for share in shares]


def test_a_part_of_another_number_of_replicas_is_not_held() -> None:
    assert not Share(3, 2, 0).has(Part(0, 4))


def test_a_part_comes_back_from_its_text() -> None:
    assert Part(2, 3) == Part.parse(Part(2, 3).text())
    for text in ("", "3/3", "1", "-1/3", "0/0", "1/3/", "a/b", "0/123456"):
        with pytest.raises(InvalidInputError, match="is no part of a mirror"):
            Part.parse(text)
