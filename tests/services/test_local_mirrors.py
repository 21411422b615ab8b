from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import InvalidInputError, NotFoundError, TooLargeError, UnavailableError, UnreadableEntryError
from core.registered_schema import RegisteredSchema
from core.types import TopicType, codec_for
from services.local_mirrors import LocalMirrors, LocalReading
from services.mirrors.ranges import Indexes
from services.row_cache import RowCache
from tests.services.mirror_app import KEYS, VALUES, MemoryMirror, WholeNumberField, ordered
from tests.services.written_mirror import Topics, WrittenMirror

SCHEMA = {
    "type": "record",
    "name": "shop.R",
    "fields": [{"name": "n", "type": "int"}, {"name": "tags", "type": {"type": "array", "items": "string"}}],
}
REGISTERED = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(SCHEMA))

STRINGS = codec_for(TopicType.STRING)
RECORDS = codec_for(TopicType.SCHEMA, schema=REGISTERED, schemas=lambda _: REGISTERED)


def row(n: int, *tags: str) -> dict[str, Any]:
    return {"n": n, "tags": list(tags)}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[WrittenMirror]:
    mirror = WrittenMirror(tmp_path / "m", STRINGS, RECORDS)
    mirror.write({"a": row(1), "b": row(2)})
    yield mirror
    mirror.close()


@pytest.fixture
def reading(mirror: WrittenMirror) -> Iterator[LocalReading]:
    reading = mirrors_of(mirror).begin()
    yield reading
    reading.close()


def mirrors_of(mirror: WrittenMirror, cache: RowCache | None = None, **options: Any) -> LocalMirrors:
    topics: Any = Topics(mirror)
    return LocalMirrors(topics, lambda *_: None, cache, **options)


def do_nothing() -> None:
    pass


def test_values_come_in_the_order_of_their_keys_with_none_where_there_is_none(reading: LocalReading) -> None:
    assert [row(2), None, row(1), row(2)] == reading.get_many("t", ["b", "x", "a", "b"])
    assert [row(1), row(2)] == reading.all("t", do_nothing)
    assert TopicType.STRING is reading.key_type("t")


def test_everything_of_a_topic_is_as_of_the_first_read(mirror: WrittenMirror, reading: LocalReading) -> None:
    assert [row(1)] == reading.get_many("t", ["a"])

    mirror.write({"a": row(10), "b": row(20), "c": row(30)})

    assert [row(1), row(2), None] == reading.get_many("t", ["a", "b", "c"])
    assert [row(1), row(2)] == reading.all("t", do_nothing)
    assert [[row(10)]] == [mirrors_of(mirror).begin().get_many("t", ["a"])]


def test_a_key_is_read_and_decoded_once(mirror: WrittenMirror) -> None:
    reading = mirrors_of(mirror).begin()
    first = reading.get_many("t", ["a", "a"])
    assert first[0] is first[1] is reading.get_many("t", ["a"])[0]
    reading.close()


def test_the_transactions_end_with_the_reading(mirror: WrittenMirror) -> None:
    reading = mirrors_of(mirror).begin()
    assert 0 == mirror.readers()
    reading.get_many("t", ["a"])
    reading.all("t", do_nothing)
    assert 1 == mirror.readers()
    reading.close()
    reading.close()
    assert 0 == mirror.readers()


def test_a_scan_ends_when_time_is_up_and_so_does_its_transaction(mirror: WrittenMirror) -> None:
    def time_is_up() -> None:
        raise UnavailableError("too late")

    reading = mirrors_of(mirror).begin()
    with pytest.raises(UnavailableError, match="too late"):
        reading.all("t", time_is_up)
    reading.close()
    assert 0 == mirror.readers()


def test_an_unreadable_value_is_the_error_of_that_one(mirror: WrittenMirror, reading: LocalReading) -> None:
    mirror.write({"b": b"\0\0\0\0\1\1"})
    good, bad = reading.get_many("t", ["a", "b"])
    assert row(1) == good
    assert isinstance(bad, UnreadableEntryError)
    assert isinstance(reading.all("t", do_nothing)[1], UnreadableEntryError)


def test_a_key_that_cannot_be_is_the_error_of_that_one(reading: LocalReading) -> None:
    bad, good = reading.get_many("t", ["\ud800", "a"])
    assert isinstance(bad, InvalidInputError)
    assert row(1) == good


def test_what_an_operation_is_given_is_bounded_also_where_it_is_given_again(mirror: WrittenMirror) -> None:
    size = len(RECORDS.encode(row(1)))
    mirrors = mirrors_of(mirror, max_bytes=3 * size)
    assert 3 == len(mirrors.begin().get_many("t", ["a", "b", "a"]))
    for ask in (
        lambda reading: reading.get_many("t", ["a", "a", "b", "a"]),
        lambda reading: [reading.get_many("t", ["a"]) for _ in range(4)],
        lambda reading: [reading.all("t", do_nothing) for _ in range(2)],
    ):
        with pytest.raises(TooLargeError, match=f"have more than {3 * size} bytes. Ask for fewer at once."):
            ask(mirrors.begin())


def test_a_topic_that_does_not_exist_is_not_found(reading: LocalReading) -> None:
    for ask in (reading.key_type, lambda topic: reading.get_many(topic, ["a"])):
        with pytest.raises(NotFoundError, match="Topic gone not found"):
            ask("gone")
    assert not reading.is_at_hand("gone")


def test_a_topic_is_at_hand_when_its_mirror_is_ready_and_every_schema_is_here(mirror: WrittenMirror) -> None:
    topics: Any = Topics(mirror)
    mirrors = LocalMirrors(topics, lambda *_: None)
    assert mirrors.begin().is_at_hand("t")
    topics.is_ready = False
    assert not mirrors.begin().is_at_hand("t")
    assert not mirrors_of(mirror, decodes_at_hand=False).begin().is_at_hand("t")


def test_types_are_named_where_that_is_wanted(mirror: WrittenMirror) -> None:
    cache = RowCache(1_000_000)
    for _ in range(3):
        assert [("shop.R", row(1))] == mirrors_of(mirror, cache).begin(names_types=True).get_many("t", ["a"])
        assert [row(1)] == mirrors_of(mirror, cache).begin().get_many("t", ["a"])


def test_a_row_that_is_asked_for_again_is_not_decoded_again(mirror: WrittenMirror) -> None:
    cache = RowCache(1_000_000)

    def read() -> Any:
        return mirrors_of(mirror, cache).begin().get_many("t", ["a"])[0]

    kept = [read() for _ in range(4)]
    assert [row(1)] * 4 == kept
    assert kept[1] is kept[2] is kept[3]
    mirror.write({"a": row(5)})
    assert row(5) == read()


def test_entries_are_counted_where_there_is_a_mirror() -> None:
    def mirror(topic: str) -> Any:
        if topic != "t":
            raise NotFoundError("There is no mirror")
        return SimpleNamespace(size=lambda: SimpleNamespace(entries=7))

    topics: Any = SimpleNamespace(topic=lambda name: name, mirror=mirror)
    mirrors = LocalMirrors(topics, lambda *_: None)
    assert (7, None) == (mirrors.entry_count("t"), mirrors.entry_count("other"))


def ranged_mirrors(mirror: MemoryMirror, range_key: WholeNumberField | None = None) -> LocalReading:
    access = SimpleNamespace(name="t", keys=KEYS, values=VALUES, mirror=None)
    topics: Any = SimpleNamespace(topic=lambda _: access, mirror=lambda _: mirror)
    indexes = Indexes(mirror, WholeNumberField("at"), range_key, {})
    return LocalMirrors(topics, lambda *_: indexes).begin()


def test_a_range_is_read_in_its_order_from_the_lower_bound_up_to_the_upper_one() -> None:
    mirror = MemoryMirror()
    for at in (3, 1, -2, 2):
        mirror.write("k", at)
    mirrors = ranged_mirrors(mirror)
    assert [-2, 1, 2] == mirrors.range("t", "k", -2, 3)
    assert [] == mirrors.range("t", "nobody", -2, 3)
    with pytest.raises(InvalidInputError, match="Nothing of field at lies from 3 to 1"):
        mirrors.range("t", "k", 3, 1)
    with pytest.raises(InvalidInputError, match="'1' is no bound"):
        mirrors.range("t", "k", "1", 3)
    with pytest.raises(InvalidInputError, match="cannot be a key"):
        mirrors.range("t", 5, 1, 3)


def test_a_range_key_takes_the_place_of_the_key() -> None:
    mirror = MemoryMirror()
    mirror.write("k", 7, ranged_under=ordered(42))
    mirrors = ranged_mirrors(mirror, WholeNumberField("by"))
    assert [7] == mirrors.range("t", 42, 0, 9)
    with pytest.raises(InvalidInputError, match="'k' is no bound of field by"):
        mirrors.range("t", "k", 0, 9)


def test_a_mirror_without_a_range_field_says_so(reading: LocalReading) -> None:
    with pytest.raises(InvalidInputError, match=r"You are trying to query a range. But no range index set\."):
        reading.range("t", "k", 1, 2)
