"""A JSON list cut into its elements: the same as a parser finds that has all of it, however it is read."""

from __future__ import annotations

import functools
import io
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.json_elements import BrokenListError, elements

MAX_BYTES = 1_000_000

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
unicode_dumps = functools.partial(json.dumps, ensure_ascii=False)
LIST_LIKE = st.text(alphabet='[]{},:" \\\n1a').map(lambda text: f"[{text}")


def in_pieces(text: bytes, sizes: list[int]) -> Callable[[int], bytes]:
    """Return a reader that returns pieces of these sizes, again and again, and never more than it is asked for."""
    file, size = io.BytesIO(text), itertools.cycle(sizes)
    return lambda at_most: file.read(min(at_most, next(size)))


def cut(text: bytes, sizes: list[int] | None = None, max_bytes: int = MAX_BYTES) -> Iterator[bytes]:
    return elements(in_pieces(text, sizes or [2**20]), max_bytes=max_bytes)


@given(
    st.lists(VALUES),
    st.sampled_from([None, 0, 2]),
    st.sampled_from([json.dumps, unicode_dumps]),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_the_elements_are_those_of_a_parser(
    expected: list[Any], indent: int | None, dumps: Callable[..., str], sizes: list[int]
) -> None:
    text = dumps(expected, indent=indent).encode(errors="surrogatepass")
    assert expected == [json.loads(element) for element in cut(b" \n" + text + b"\r\n", sizes)]


@given(LIST_LIKE, st.lists(st.integers(1, 9), min_size=1))
def test_a_list_is_read_where_a_parser_reads_one_and_only_there(text: str, sizes: list[int]) -> None:
    try:
        expected: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        expected = None
    try:
        found: Any = [msgspec.json.decode(element) for element in cut(text.encode(), sizes)]
    except (BrokenListError, msgspec.DecodeError):
        found = None
    assert expected == found


@pytest.mark.parametrize(
    ("text", "element", "what"),
    [
        (b"", 1, "It is no JSON list: it does not begin with [."),
        (b'{"a": 1}', 1, "It is no JSON list: it does not begin with [."),
        (b"[1, 2", 2, "The text ends before the list does."),
        (b'[1, "2]', 2, "The text ends before the list does."),
        (b"[", 1, "The text ends before the list does."),
        (b"[1,]", 2, "There is nothing between two commas, or behind the last one."),
        (b"[,1]", 1, "There is nothing between two commas, or behind the last one."),
        (b"[1}]", 1, "There is a } without its {."),
        (b"[1]\n[2]", 2, "Something follows on the end of the list."),
        (b'[1, "' + b"a" * 2000, 2, "It is longer than 1,000 bytes, or one of its strings does not end."),
    ],
)
def test_what_is_no_list_breaks_at_an_element(text: bytes, element: int, what: str) -> None:
    with pytest.raises(BrokenListError) as caught:
        list(cut(text, [100], max_bytes=1000))
    assert (element, what) == (caught.value.element, str(caught.value))


def test_an_element_that_is_no_json_does_not_hide_the_next_ones() -> None:
    assert [b"1", b'{"a":}', b"nonsense", b"[2]"] == list(cut(b'[1, {"a":} ,nonsense,\n[2]]'))


def test_a_long_list_takes_little_memory() -> None:
    element = b'{"key": 1, "value": {"name": "a \\" b", "list": [1, 2, 3]}}'
    remaining = itertools.chain([b"[" + element], itertools.repeat(b"," + element, 100_000), [b"]"])
    tracemalloc.start()
    try:
        count = sum(1 for _ in elements(lambda _: b"".join(itertools.islice(remaining, 500)), max_bytes=MAX_BYTES))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 100_001 == count
    assert peak < 1_000_000
