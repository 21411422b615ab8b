"""Indexes of mirrors against a plain model of what they mean."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.comparable_fields import ComparableField, mirror_fields
from core.errors import InvalidInputError, InvalidValueError, NotFoundError, UnavailableError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.registered_schema import RegisteredSchema
from core.store import Store, Writer, number_key
from core.topics import WriteType
from core.types import Codec, TopicType, codec_for
from projections.index_reading import IndexReader
from projections.index_rows import FIELD_MAX, KEY_MAX
from projections.mirror_entries import (
    KEPT,
    PARTITIONS,
    TABLES,
    Entry,
    Kept,
    key_tail,
    offset_struct,
    partition_struct,
    stamp_struct,
    stored_value,
)
from projections.mirror_indexes import IndexWriter
from projections.mirror_moment import MirrorFacts, MirrorMoment
from projections.mirrors import MirrorView
from projections.windows import Window

SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema=json.dumps(
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "n", "type": ["null", "long"]},
                {"name": "text", "type": ["null", "string"]},
                {"name": "id", "type": "int"},
            ],
        }
    ),
)
PARTITION_COUNT = 3
EVERYTHING = Bounds()


def unknown(schema_id: int) -> RegisteredSchema:
    raise NotFoundError(f"no schema {schema_id}")


VALUES: Codec = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=unknown)


class Reading:
    """Asks the indexes of a store, each time at a moment of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.unindexed = IndexReader(store).unindexed

    def range(self, *arguments: Any, **more: Any) -> Any:
        with self._moment() as moment:
            return moment.range(*arguments, **more)

    def find(self, *arguments: Any, **more: Any) -> Any:
        with self._moment() as moment:
            return moment.find(*arguments, **more)

    def _moment(self) -> MirrorMoment:
        return MirrorMoment(self._store, IndexReader(self._store), MirrorFacts())


class Put(NamedTuple):
    """A record as it comes from the topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    time_ms: int = 0


def value_of(n: int | None = None, text: str | None = None, number: int = 0) -> bytes:
    return VALUES.encode({"n": n, "text": text, "id": number})


def indexer_of(definition: MirrorDefinition, write_type: WriteType = WriteType.MUTABLE) -> IndexWriter:
    return IndexWriter(definition, VALUES, mirror_fields(definition, SCHEMA), write_type)


class Driver:
    """Folds records as a mirror does: the indexes first, then the entries."""

    def __init__(self, folder: Path, definition: MirrorDefinition, write_type: WriteType = WriteType.MUTABLE) -> None:
        self.indexer = indexer_of(definition, write_type)
        self.is_first = write_type is WriteType.IMMUTABLE
        self.store = Store(folder, (*self.indexer.tables, *TABLES), sync=False)
        self.reader = Reading(self.store)

        def begin(txn: Writer) -> None:
            txn.put("meta", PARTITIONS, number_key(PARTITION_COUNT))
            txn.put("meta", KEPT, msgspec.json.encode(Kept(write_type=write_type, definition=definition)))

        self.store.update(begin)

    def take(self, records: Sequence[Put], *, is_killed: bool = False) -> None:
        txn = self.store.begin()
        for partition in range(PARTITION_COUNT):
            mine = [record for record in records if record.partition == partition]
            stamps = [stamp_struct.pack(0, record.time_ms) for record in mine]
            keys, values = [record.key for record in mine], [record.value for record in mine]
            self.indexer.take(txn, partition, keys, values, stamps)
            for record, stamp in zip(mine, stamps, strict=True):
                self._write(txn, record, stamp)
        if is_killed:
            txn.abort()
        else:
            txn.commit()

    def _write(self, txn: Writer, record: Put, stamp: bytes) -> None:
        if record.key is None:
            return
        stored = partition_struct.pack(record.partition) + key_tail(record.key)
        if record.value is None:
            if not self.is_first:
                txn.delete("entries", stored)
        elif self.is_first:
            place = stamp + offset_struct.pack(0)
            txn.put_new("entries", [(stored, stored_value(record.key, record.value, place))])
        else:
            txn.put("entries", stored, stored_value(record.key, record.value, stamp))


@contextmanager
def driven(definition: MirrorDefinition, write_type: WriteType = WriteType.MUTABLE) -> Iterator[Driver]:
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder), definition, write_type)
        try:
            yield driver
        finally:
            driver.store.close()


def fields_of(raw: bytes) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = VALUES.decode(raw)
    except (InvalidValueError, NotFoundError):
        return None
    return record


@dataclass
class Model:
    """The same in dicts."""

    definition: MirrorDefinition
    is_first: bool
    last: dict[tuple[int, bytes], Put] = field(default_factory=dict)
    history: dict[tuple[int, Any, Any], Put] = field(default_factory=dict)
    """By partition, owner and value of the range field."""
    unindexed: int = 0

    def take(self, record: Put) -> None:
        if record.key is None:
            return
        place = (record.partition, record.key)
        if self.is_first and (record.value is None or place in self.last):
            return
        if record.value is None:
            self.last.pop(place, None)
            self.history = {
                where: put
                for where, put in self.history.items()
                if (where[0], put.key) != (record.partition, record.key)
            }
            return
        self.last[place] = record
        fields = fields_of(record.value)
        if fields is None:
            self.unindexed += 1
            return
        owner = record.key if self.definition.range_key is None else fields[self.definition.range_key]
        at = fields.get(self.definition.range_field or "")
        if at is not None and owner is not None:
            self.history[record.partition, owner, at] = record

    def winner(self, key: bytes) -> Put | None:
        """Return the record of a key that counts over all partitions."""
        puts = [put for (_, other), put in self.last.items() if other == key]
        if self.is_first:
            return min(puts, key=lambda put: (put.time_ms, put.partition), default=None)
        return max(puts, key=lambda put: (put.time_ms, put.partition), default=None)

    def owners(self) -> set[Any]:
        return {owner for _, owner, _ in self.history}

    def range(self, owner: Any, within: Callable[[Any], bool]) -> list[Put]:
        found: dict[Any, Put] = {}
        for (_, other, at), put in sorted(self.history.items(), key=lambda item: item[1].partition):
            if other != owner or not within(at) or (self.is_first and self.winner(put.key or b"") != put):
                continue
            if at not in found or put.time_ms >= found[at].time_ms:
                found[at] = put
        return [found[at] for at in sorted(found)]

    def find(self, name: str, within: Callable[[Any], bool]) -> list[tuple[Any, bytes]]:
        """Return field and key of what counts, in order."""
        found = []
        for key in {key for _, key in self.last}:
            put = self.winner(key)
            fields = fields_of(put.value) if put is not None and put.value is not None else None
            if fields is not None and fields[name] is not None and within(fields[name]):
                found.append((fields[name], key))
        return sorted(found)


LONG = "x" * FIELD_MAX
KEYS = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"a",
    b"a\x00",
    b"a\x00\x01",
    b"a\xff",
    b"\xff" * 3,
    b"k" * KEY_MAX,
    b"k" * (KEY_MAX + 1),
    b"k" * 511,
    b"k" * 512,
    b"\x00" * 512,
    b"k" * 100_000,
]
TEXTS = [
    "",
    "\x00",
    "\x00\x00",
    "a",
    "a\x00",
    "a\x00b",
    "ü",
    LONG[:-1],
    LONG,
    LONG + "a",
    LONG + "b",
    LONG + "a" * 40_000,
    LONG[:-1] + "\x00",
    LONG[:-1] + "\x00\x00",
    "\x00" * 150,
    "\x00" * 151,
    "\x00" * 300,
    "\U0010ffff" * 200,
]
NUMBERS = [-(2**63), -256, -1, 0, 1, 255, 256, 2**63 - 1]
FIELD_VALUES: dict[str, list[Any]] = {"n": NUMBERS, "text": TEXTS}


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[Put], bool]]:
    """Return batches of records of few keys and few values, and which of them end in a kill."""
    few_keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    few_texts = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))
    few_numbers = draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3))
    readable = st.builds(
        value_of, st.sampled_from([*few_numbers, None]), st.sampled_from([*few_texts, None]), st.integers(0, 1000)
    )
    unreadable = st.sampled_from([b"", b"broken", b"\x00\x00\x00\x00\x09unknown schema"])
    puts = st.builds(
        Put,
        st.integers(0, PARTITION_COUNT - 1),
        st.sampled_from([*few_keys, None]),
        st.one_of(readable, readable, readable, readable, st.none(), unreadable),
        st.integers(0, 3),
    )
    return draw(st.lists(st.tuples(st.lists(puts, min_size=5, max_size=30), st.booleans()), max_size=4))


definitions = st.sampled_from(
    [
        MirrorDefinition(range_field="n"),
        MirrorDefinition(range_field="text"),
        MirrorDefinition(range_field="n", range_key="text"),
        MirrorDefinition(range_field="text", range_key="n"),
        MirrorDefinition(indexes=("text", "n")),
        MirrorDefinition(range_field="n", range_key="text", indexes=("n", "text")),
    ]
)


class Asked(NamedTuple):
    """Bounds as positions in the list of a field's values, so that they hit values."""

    low: int | None
    high: int | None
    includes_low: bool
    includes_high: bool
    reverse: bool
    limit: int

    def bounds(self, field_: ComparableField, among: Sequence[Any]) -> Bounds:
        low, high = (None if at is None else field_.of_value(among[at % len(among)]) for at in (self.low, self.high))
        return Bounds(low, high, self.includes_low, self.includes_high)

    def within(self, among: Sequence[Any]) -> Callable[[Any], bool]:
        low, high = (None if at is None else among[at % len(among)] for at in (self.low, self.high))

        def is_within(value: Any) -> bool:
            if low is not None and (value < low or (value == low and not self.includes_low)):
                return False
            return high is None or value < high or (value == high and self.includes_high)

        return is_within

    def ordered(self, found: Iterable[Any]) -> list[Any]:
        rows = list(found)
        return rows[::-1] if self.reverse else rows


ALL = Asked(low=None, high=None, includes_low=True, includes_high=True, reverse=False, limit=3)

places = st.none() | st.integers(0, 100)
questions = st.builds(Asked, places, places, st.booleans(), st.booleans(), st.booleans(), st.integers(1, 4))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(definitions, st.sampled_from(WriteType), batches(), st.lists(questions, min_size=1, max_size=4))
def test_answers_are_those_of_the_model(
    definition: MirrorDefinition,
    write_type: WriteType,
    taken: list[tuple[list[Put], bool]],
    asked: list[Asked],
) -> None:
    model = Model(definition, write_type is WriteType.IMMUTABLE)
    with driven(definition, write_type) as driver:
        for batch, is_killed in taken:
            if is_killed:  # In the middle of a batch; then all of it comes again, in other pieces.
                driver.take(batch[: len(batch) // 2], is_killed=True)
                driver.take(batch[: len(batch) // 3])
                driver.take(batch[len(batch) // 3 :])
            else:
                driver.take(batch)
            for put in batch:
                model.take(put)
        assert model.unindexed == driver.reader.unindexed()
        for question in [ALL, *asked]:
            check_ranges(driver, model, question)
            check_indexes(driver, model, question)


def check_ranges(driver: Driver, model: Model, asked: Asked) -> None:
    definition = model.definition
    if definition.range_field is None:
        return
    fields = mirror_fields(definition, SCHEMA)
    assert fields.range_field is not None
    among = FIELD_VALUES[definition.range_field]
    bounds, within = asked.bounds(fields.range_field, among), asked.within(among)
    for owner in {*model.owners(), *(KEYS if fields.range_key is None else FIELD_VALUES[fields.range_key.name])}:
        key = owner if fields.range_key is None else fields.range_key.of_value(owner)
        expected = asked.ordered(record_of(put) for put in model.range(owner, within))
        assert expected == driver.reader.range(key, bounds, Window(reverse=asked.reverse))
        some = Window(reverse=asked.reverse, limit=asked.limit)
        assert expected[: asked.limit] == driver.reader.range(key, bounds, some)


def record_of(put: Put) -> Entry:
    assert put.key is not None
    assert put.value is not None
    return Entry(put.partition, put.time_ms, put.key, put.value)


def check_indexes(driver: Driver, model: Model, asked: Asked) -> None:
    for index in mirror_fields(model.definition, SCHEMA).indexes:
        among = FIELD_VALUES[index.name]
        bounds = asked.bounds(index, among)
        whole = driver.reader.find(index.name, bounds, Window(reverse=asked.reverse))
        assert whole.next is None
        found = [((fields_of(entry.value) or {})[index.name], entry.key) for entry in whole.entries]
        expected = model.find(index.name, asked.within(among))
        assert asked.ordered(at for at, _ in expected) == [at for at, _ in found]
        assert expected == sorted(found)
        assert all(model.winner(entry.key) == put_of(entry) for entry in whole.entries)
        assert whole.entries == list(paged(driver, index.name, bounds, asked))


def put_of(entry: Entry) -> Put:
    return Put(entry.partition, entry.key, entry.value, entry.timestamp_ms)


def paged(driver: Driver, name: str, bounds: Bounds, asked: Asked) -> Iterator[Entry]:
    window = Window(reverse=asked.reverse, limit=asked.limit)
    page = driver.reader.find(name, bounds, window)
    while page.next is not None:
        assert asked.limit == len(page.entries)
        yield from page.entries
        page = driver.reader.find(name, bounds, window.behind(page.next))
    yield from page.entries


ALIKE = sorted(LONG + end for end in ("", "a", "aa", "b", "ba", "c", "d" * 9000, "e", "\x00", "\x00a", "ü"))
"""Texts that lie together in LMDB, by their hashes."""


@pytest.mark.parametrize("reverse", [False, True])
def test_long_texts_that_begin_alike_come_in_order_and_page_by_page(reverse: bool) -> None:  # noqa: FBT001
    definition = MirrorDefinition(range_field="text", indexes=("text",))
    expected = ALIKE[::-1] if reverse else ALIKE
    (index,) = mirror_fields(definition, SCHEMA).indexes
    with driven(definition) as driver:
        driver.take([Put(0, b"%d" % at, value_of(text=text)) for at, text in enumerate(ALIKE)])
        driver.take([Put(1, b"one", value_of(text=text)) for text in ALIKE])

        def texts(entries: Iterable[Entry]) -> list[str]:
            return [(fields_of(entry.value) or {})["text"] for entry in entries if entry.key != b"one"]

        asked = ALL._replace(reverse=reverse, limit=2)
        assert expected == texts(paged(driver, "text", EVERYTHING, asked))
        history = driver.reader.range(b"one", EVERYTHING, Window(reverse=reverse))
        assert expected == [(fields_of(entry.value) or {})["text"] for entry in history]
        for at, text in enumerate(ALIKE):
            bounds = Bounds(index.of_value(text), None, includes_low=False)
            above = texts(driver.reader.find("text", bounds, Window(reverse=reverse)).entries)
            assert (ALIKE[at + 1 :][::-1] if reverse else ALIKE[at + 1 :]) == above


def test_a_page_goes_on_behind_rows_that_are_gone() -> None:
    with driven(MirrorDefinition(indexes=("text",))) as driver:
        driver.take([Put(0, b"%d" % at, value_of(text=text)) for at, text in enumerate(ALIKE)])
        for at in range(0, len(ALIKE) - 2, 2):
            page = driver.reader.find("text", EVERYTHING, Window(limit=at + 1))
            gone = page.entries[-1].key
            driver.take([Put(0, gone, None)])
            rest = driver.reader.find("text", EVERYTHING, Window(after=page.next)).entries
            assert [b"%d" % other for other in range(int(gone) + 1, len(ALIKE))] == [entry.key for entry in rest]
            driver.take([Put(0, gone, value_of(text=ALIKE[int(gone)]))])


def test_a_tombstone_spares_the_row_that_another_key_has_taken_over() -> None:
    definition = MirrorDefinition(range_field="n", range_key="text")
    fields = mirror_fields(definition, SCHEMA)
    assert fields.range_key is not None
    user = fields.range_key.from_text("user")
    batch = [
        Put(0, b"a", value_of(1, "user", 1)),
        Put(0, b"a", value_of(2, "user", 2)),
        Put(0, b"b", value_of(1, "user", 3)),
        Put(0, b"a", None),
    ]
    for pieces in ([batch], [batch[:2], batch[2:]], [batch[:3], batch[3:]], [[put] for put in batch]):
        with driven(definition) as driver:
            for piece in pieces:
                driver.take(piece)
            assert [b"b"] == [entry.key for entry in driver.reader.range(user, EVERYTHING)]
            driver.take([Put(0, b"b", None)])
            assert [] == driver.reader.range(user, EVERYTHING)
            with driver.store.read() as txn:
                assert (0, 0) == (txn.count("ranges"), txn.count("range_keys"))


def test_a_value_that_comes_and_goes_leaves_no_row() -> None:
    with driven(MirrorDefinition(range_field="n", indexes=("n", "text"))) as driver:
        for value in (value_of(1, "a"), value_of(1, "b"), value_of(), b"broken", value_of(2, "b"), None):
            driver.take([Put(0, b"k", value)])
        with driver.store.read() as txn:
            assert (0, 0) == (txn.count("ranges"), txn.count("found"))
        assert 1 == driver.reader.unindexed()


def test_only_the_tables_that_are_needed_are_there() -> None:
    assert () == indexer_of(MirrorDefinition()).tables
    assert ("ranges",) == indexer_of(MirrorDefinition(range_field="n", retention_ms=None)).tables
    assert ("ranges", "range_keys") == indexer_of(MirrorDefinition(range_field="n", range_key="text")).tables
    assert ("found",) == indexer_of(MirrorDefinition(indexes=("n",))).tables


def test_a_registry_that_does_not_answer_is_no_reason_to_leave_a_record_out() -> None:
    def silent(_: int) -> RegisteredSchema:
        raise UnavailableError("the registry does not answer")

    definition = MirrorDefinition(indexes=("n",))
    values = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=silent)
    with driven(definition) as driver:
        driver.indexer = IndexWriter(definition, values, mirror_fields(definition, SCHEMA))
        txn = driver.store.begin()
        with pytest.raises(UnavailableError):
            driver.indexer.take(txn, 0, [b"k"], [b"\x00\x00\x00\x00\x09elsewhere"], [stamp_struct.pack(0, 0)])
        txn.abort()
        assert 0 == driver.reader.unindexed()


def test_questions_without_an_index_say_so() -> None:
    with driven(MirrorDefinition()) as driver:
        with pytest.raises(InvalidInputError, match=r"^You are trying to query a range\. But no range index set\."):
            driver.reader.range(b"k", EVERYTHING)
        with pytest.raises(InvalidInputError, match=r"no index of the field n\. It has none: declare one"):
            driver.reader.find("n", EVERYTHING)
    with driven(MirrorDefinition(range_field="n", indexes=("n", "text"))) as driver:
        with pytest.raises(InvalidInputError, match=r"no index of the field id\. It has indexes of n, text"):
            driver.reader.find("id", EVERYTHING)
        with pytest.raises(InvalidInputError, match="no range index set"):
            driver.reader.range(b"k", EVERYTHING, declared=MirrorDefinition())


@pytest.mark.parametrize(
    "declared", [MirrorDefinition(range_field="text"), MirrorDefinition(range_field="n", range_key="text")]
)
def test_an_index_that_is_declared_and_not_built_is_one_to_wait_for(declared: MirrorDefinition) -> None:
    for built in (MirrorDefinition(), MirrorDefinition(range_field="n", indexes=("n",))):
        with driven(built) as driver:
            with pytest.raises(UnavailableError, match="declared, but not built yet"):
                driver.reader.range(b"k", EVERYTHING, declared=declared)
            with pytest.raises(UnavailableError, match="index of the field text is declared, but not built yet"):
                driver.reader.find("text", EVERYTHING, declared=MirrorDefinition(indexes=("text",)))


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: b"\x00\x00" + c, lambda c: b"\xff" * 999]
)
@pytest.mark.parametrize("text", ["a", LONG + "a"])
def test_a_cursor_that_is_none_is_refused(change: Callable[[bytes], bytes], text: str) -> None:
    with driven(MirrorDefinition(indexes=("n", "text"))) as driver:
        driver.take([Put(0, b"%d" % at, value_of(at, text)) for at in range(3)])
        cursor = driver.reader.find("text", EVERYTHING, Window(limit=1)).next
        assert cursor is not None
        for wrong in (b"", change(cursor)):
            with pytest.raises(InvalidInputError, match="This cursor is none of this query"):
                driver.reader.find("text", EVERYTHING, Window(after=wrong))
        with pytest.raises(InvalidInputError, match="This cursor is none of this query"):
            driver.reader.find("n", EVERYTHING, Window(after=cursor))


@pytest.mark.parametrize("text", ["a", LONG + "a"])
def test_a_cursor_is_good_in_every_copy_of_a_mirror_whatever_its_indexes_were_built_with(text: str) -> None:
    puts = [Put(at % 2, b"%d" % at, value_of(at, text)) for at in range(4)]
    window = Window(limit=2)
    with driven(MirrorDefinition(indexes=("n", "text"))) as one, driven(MirrorDefinition(indexes=("text",))) as other:
        for driver in (one, other):
            driver.take(puts)
        first, same = (driver.reader.find("text", EVERYTHING, window) for driver in (one, other))
        assert first == same
        assert first.next is not None
        rest, same = (driver.reader.find("text", EVERYTHING, window.behind(first.next)) for driver in (one, other))
        assert rest == same
        assert {b"0", b"1", b"2", b"3"} == {entry.key for entry in [*first.entries, *rest.entries]}


def test_a_view_of_a_mirror_answers_from_its_indexes(tmp_path: Path) -> None:
    driver = Driver(tmp_path / "m", MirrorDefinition(range_field="n", indexes=("text",)))
    driver.take([Put(0, b"k", value_of(n, "t", n), n) for n in (3, 1, 2)])
    driver.store.close()
    view = MirrorView(tmp_path / "m")
    assert [1, 2, 3] == [entry.timestamp_ms for entry in view.range(b"k", EVERYTHING)]
    assert [b"k"] == [entry.key for entry in view.find("text", EVERYTHING).entries]
    assert 0 == view.unindexed()
    view.close()


def test_a_view_of_a_mirror_without_indexes_has_none(tmp_path: Path) -> None:
    Store(tmp_path / "m", TABLES).close()
    view = MirrorView(tmp_path / "m")
    with pytest.raises(InvalidInputError, match="no range index set"):
        view.range(b"k", EVERYTHING)
    view.close()
