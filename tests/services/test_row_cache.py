from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.record_fields import Decoder
from services.row_cache import LARGEST_ROW_BYTES, RowCache, size_of


class Counting:
    """Decodes bytes to a record of them, and counts."""

    def __init__(self) -> None:
        self.decoded: list[bytes] = []

    def __call__(self, raw: bytes) -> Any:
        self.decoded.append(raw)
        return {"raw": raw}


def test_a_row_is_kept_when_it_is_asked_for_the_second_time() -> None:
    counting = Counting()
    decode = RowCache(10_000).decoder("t", counting)
    rows = [decode(b"a") for _ in range(4)]
    assert [{"raw": b"a"}] * 4 == rows
    assert [b"a", b"a"] == counting.decoded
    assert rows[1] is rows[2] is rows[3]


def test_a_scan_keeps_nothing() -> None:
    cache = RowCache(1_000_000)
    decode = cache.decoder("t", Counting())
    for n in range(1_000):
        decode(b"%d" % n)
    assert 0 == len(cache) == cache.size_bytes


def test_equal_bytes_of_two_topics_are_two_rows() -> None:
    cache = RowCache(10_000)
    upper, lower = cache.decoder("u", bytes.upper), cache.decoder("l", bytes.lower)
    assert [(b"AB", b"ab")] * 3 == [(upper(b"aB"), lower(b"aB")) for _ in range(3)]


def twice(decode: Decoder, raw: bytes) -> None:
    decode(raw)
    decode(raw)


def test_memory_and_number_of_rows_are_bounded() -> None:
    few, small = RowCache(10_000_000, max_rows=10), RowCache(20_000)
    for cache in (few, small):
        decode = cache.decoder("t", Counting())
        for n in range(1_000):
            twice(decode, b"%0100d" % n)
    assert 5 <= len(few) <= 10
    assert 10_000 <= small.size_bytes <= 20_000
    assert len(small) < 1_000


def test_what_is_asked_for_again_outlives_what_is_not() -> None:
    counting = Counting()
    decode = RowCache(10_000_000, max_rows=20).decoder("t", counting)
    twice(decode, b"often")
    for n in range(100):
        twice(decode, b"%d" % n)
        decode(b"often")
    assert 2 == counting.decoded.count(b"often")


def test_a_large_row_is_not_kept_and_no_bytes_keep_none() -> None:
    for cache, raw in (
        (RowCache(10_000_000), b"x" * (LARGEST_ROW_BYTES + 1)),
        (RowCache(0), b"x"),
        (RowCache(50), b"x"),
    ):
        counting = Counting()
        decode = cache.decoder("t", counting)
        for _ in range(3):
            decode(raw)
        assert 3 == len(counting.decoded)
        assert 0 == len(cache)


def test_the_size_of_a_value_is_that_of_all_in_it() -> None:
    text, number = "text", 10**20
    value = {"a": [text, {"b": number}], "c": ("n", None)}
    parts = [value, value["a"], text, {"b": number}, "b", number, "a", "c", value["c"], "n", None]
    assert sum(map(sys.getsizeof, parts)) == size_of(value)


def test_many_threads_get_what_they_ask_for() -> None:
    decode = RowCache(20_000).decoder("t", Counting())
    numbers = [n % 97 for n in range(20_000)]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda n: decode(b"%d" % n), numbers))
    assert [{"raw": b"%d" % n} for n in numbers] == rows
