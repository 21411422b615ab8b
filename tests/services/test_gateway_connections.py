"""What a connection says of itself when its list cannot be read to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from core.errors import UnavailableError
from services.gateway.connections import Connection
from services.gateway.list_cursors import ListCursors


class Row(NamedTuple):
    place: bytes
    value: Any


def connection(rest: Iterator[Row], *, is_reversed: bool = False) -> Connection:
    rows: list[Any] = [Row(b"1", "one"), Row(b"2", "two")]
    return Connection(rows, rest, lambda: False, ListCursors("Query.f", "id", "all"), is_reversed=is_reversed)


def test_who_asks_twice_whether_there_is_more_reads_once() -> None:
    rest = iter([Row(b"3", "three")])
    page = connection(rest).get("pageInfo")
    assert [True, True, False] == [page.get(name) for name in ("hasNextPage", "hasNextPage", "hasPreviousPage")]
    page = connection(iter([]), is_reversed=True).get("pageInfo")
    assert [False, False] == [page.get(name) for name in ("hasNextPage", "hasPreviousPage")]


def test_a_list_that_cannot_be_read_on_is_not_taken_to_have_ended() -> None:
    def failing() -> Iterator[Row]:
        raise UnavailableError("too late")
        yield

    page = connection(failing()).get("pageInfo")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="too late"):
            page.get("hasNextPage")


def test_edges_stand_in_the_order_of_the_list() -> None:
    for is_reversed, expected in ((False, ["one", "two"]), (True, ["two", "one"])):
        page = connection(iter([]), is_reversed=is_reversed)
        assert expected == [edge.get("node") for edge in page.get("edges")]
        ends = [page.get("pageInfo").get(name) for name in ("startCursor", "endCursor")]
        assert [edge.get("cursor") for edge in page.get("edges")] == ends
