"""What every readable moment promises, be the mirror beside it in LMDB or held by other processes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInputError, UnavailableError
from core.mirror_shares import Share
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds, of_integer, of_text
from core.registered_schema import RegisteredSchema
from core.types import TopicType, codec_for
from projections.mirror_entries import Entry, key_tail
from projections.pages import PlacedPage
from projections.windows import WHOLE, Window
from services.holder_client import HolderClient
from services.holders import Holders
from services.mirrors import pages
from services.readable_mirrors import ReadableMoment
from services.remote_mirrors import RemoteMirrors
from services.topic_access import TopicAccesses
from tests.services.mirror_app import MirrorApp
from tests.services.network import Network
from tests.services.test_holders import replica
from tests.services.written_mirror import WrittenMirror

SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema=json.dumps(
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "n", "type": ["null", "long"]}, {"name": "text", "type": ["null", "string"]}],
        }
    ),
)
KEYS = codec_for(TopicType.STRING)
VALUES = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=lambda _: SCHEMA)
DEFINITION: Final = MirrorDefinition(range_field="n", indexes=("n", "text"))
OTHER_ORDER: Final = MirrorDefinition(range_field="n", indexes=("text", "n"))
PARTITIONS: Final = 3
COPIES: Final[dict[str, list[tuple[MirrorDefinition, Share | None]]]] = {
    "local": [(DEFINITION, None)],
    "remote": [(DEFINITION, None), (OTHER_ORDER, None)],
    "split": [(DEFINITION, Share(3, 2, 0)), (OTHER_ORDER, Share(3, 2, 1)), (DEFINITION, Share(3, 2, 2))],
}

Moments = Callable[[], Any]
"""Opens a moment, for a `with`."""

KINDS = pytest.mark.parametrize("kind", ["local", "remote", "split"])

KEY_TEXTS: Final = ["", "a", "b", "x" * 499, "x" * 500, "x" * 499 + "y"]
NUMBERS = st.none() | st.integers(-3, 3)
RECORDS = st.dictionaries(st.sampled_from(KEY_TEXTS), NUMBERS)
WINDOWS = {"includes_after": st.booleans(), "reverse": st.booleans(), "limit": st.integers(1, 4)}


@contextmanager
def mirrors(kind: str, records: Iterable[tuple[str, int | None]], range_key: str | None = None) -> Iterator[Moments]:
    """Write *records* and return what opens moments; the remote ones are of two copies that were built differently."""
    written = list(records)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(pages, "_READ_AT_ONCE", 2)
        patched.setattr(pages, "MAX_ANSWER_BYTES", 60)
        more: dict[str, Any] = {"schema": SCHEMA, "partitions": PARTITIONS}
        copies = [
            WrittenMirror(
                Path(folder) / f"{number}",
                KEYS,
                VALUES,
                definition=msgspec.structs.replace(definition, range_key=range_key),
                share=share,
                **more,
            )
            for number, (definition, share) in enumerate(COPIES[kind])
        ]
        for copy in copies:
            for key, n in written:
                copy.write({key: {"n": n, "text": "t"}}, partition=len(key) % PARTITIONS)
        yield copies[0].view.moment if kind == "local" else remote(copies)
        for copy in copies:
            copy.close()


def remote(copies: Sequence[WrittenMirror]) -> Moments:
    apps = {f"{number}:1": MirrorApp(copy.view, access=copy.access).client() for number, copy in enumerate(copies)}
    replicas = [replica(f"{number}", share=copy.view.share()) for number, copy in enumerate(copies)]
    holders = Holders(lambda _: replicas)
    remote = RemoteMirrors(cast("TopicAccesses", None), holders, cast("HolderClient", Network(apps)))
    return lambda: remote.moment(copies[0].access)


def walked(
    open_moment: Moments, window: Window, read: Callable[[ReadableMoment, Window], tuple[Iterable[Any], bytes | None]]
) -> list[Any]:
    """Return the rows of a window, read page by page, each at a moment of its own: another replica answers it."""
    found: list[Any] = []
    following: Window | None = window
    while following is not None:
        with open_moment() as moment:
            rows, place = read(moment, following)
        rows = list(rows)
        assert len(rows) <= (window.limit or len(rows))
        found += rows
        following = None if place is None else window.behind(place)
    return found


def within(window: Window, places: Sequence[bytes], rank: Callable[[bytes], Any] = bytes) -> list[bytes]:
    """Return those of *places*, which are in the order of their ranks, that lie in a window."""
    after, until = (None if place is None else rank(place) for place in (window.after, window.until))
    found = []
    for place in reversed(places) if window.reverse else places:
        at = rank(place)
        is_behind = after is None or (at < after if window.reverse else at > after)
        is_before = until is None or (at > until if window.reverse else at < until)
        if (is_behind or (window.includes_after and at == after)) and is_before:
            found.append(place)
    return found


def bounded(data: st.DataObject, places: Sequence[bytes]) -> Window:
    bound = st.none() | st.sampled_from(places) if places else st.none()
    more = data.draw(st.fixed_dictionaries(WINDOWS))
    return Window(after=data.draw(bound), until=data.draw(bound), **more)


EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@KINDS
@EXAMPLES
@given(records=RECORDS, data=st.data())
def test_a_window_of_all_entries_is_read_by_key(kind: str, records: dict[str, int | None], data: st.DataObject) -> None:
    places = sorted(key_tail(KEYS.encode(key)) for key in records)
    window = bounded(data, [*places, key_tail(b"aa")])
    with mirrors(kind, records.items()) as moments:
        found = walked(moments, window, lambda moment, window: moment.page(window))
        with moments() as moment:
            whole = [entry for page in moment.pages() for entry in page]
    assert within(window, places) == [key_tail(entry.key) for entry in found]
    assert within(WHOLE, places) == [key_tail(entry.key) for entry in whole]


@KINDS
@EXAMPLES
@given(records=RECORDS, among=st.sets(st.integers(-4, 4)), data=st.data())
def test_a_window_of_what_an_index_leads_to_is_read_by_its_field(
    kind: str, records: dict[str, int | None], among: set[int], data: st.DataObject
) -> None:
    parts = [Bounds(of_integer(n), of_integer(n), includes_high=True) for n in sorted(among)]
    with mirrors(kind, records.items()) as moments:

        def read(moment: ReadableMoment, window: Window) -> PlacedPage:
            return moment.found("n", parts, window, declared=DEFINITION)

        whole = walked(moments, WHOLE, read)
        numbers = [VALUES.decode(row.entry.value)["n"] for row in whole]
        window = bounded(data, [row.place for row in whole])
        found = walked(moments, window, read)
    assert sorted(n for n in records.values() if n in among) == numbers
    order = [row.place for row in whole]
    assert within(window, order, order.index) == [row.place for row in found]


@KINDS
@EXAMPLES
@given(numbers=st.sets(st.integers(-4, 4)), low=st.integers(-4, 4), high=st.integers(-4, 4), data=st.data())
def test_a_window_of_the_history_of_a_key_is_read_by_the_range_field(
    kind: str, numbers: set[int], low: int, high: int, data: st.DataObject
) -> None:
    bounds = Bounds(of_integer(low), of_integer(high))
    places = [of_integer(n) for n in sorted(numbers) if low <= n < high]
    window = bounded(data, [of_integer(n) for n in range(-4, 5)])
    with mirrors(kind, [("k", n) for n in numbers]) as moments:
        found = walked(moments, window, lambda moment, window: moment.ranged(b"k", bounds, window))
        with moments() as moment:
            at_once = moment.range(b"k", bounds, Window(reverse=window.reverse))
    assert within(window, places) == [row.place for row in found]
    assert within(Window(reverse=window.reverse), places) == [of_integer(number_in(entry)) for entry in at_once]


@KINDS
@EXAMPLES
@given(records=st.dictionaries(st.sampled_from("abcdefghij"), st.integers(-3, 3)), data=st.data())
def test_a_history_of_several_keys_has_one_record_for_each_value_of_the_range_field(
    kind: str, records: dict[str, int], data: st.DataObject
) -> None:
    places = [of_integer(n) for n in sorted(set(records.values()))]
    window = bounded(data, [of_integer(n) for n in range(-4, 5)])
    with mirrors(kind, records.items(), range_key="text") as moments:
        found = walked(moments, window, lambda moment, window: moment.ranged(of_text("t"), Bounds(), window))
        with moments() as moment:
            at_once = moment.range(of_text("t"), Bounds(), Window(limit=3))
    assert within(window, places) == [row.place for row in found]
    assert places[:3] == [of_integer(number_in(entry)) for entry in at_once]


def number_in(entry: Entry) -> int:
    n = VALUES.decode(entry.value)["n"]
    assert isinstance(n, int)
    return n


@KINDS
def test_entries_and_values_of_keys_come_with_none_where_there_is_none(kind: str) -> None:
    with mirrors(kind, [("a", 1), ("b", 2), ("a", 3)]) as moments, moments() as moment:
        assert [2, None, 3] == [raw and VALUES.decode(raw)["n"] for raw in moment.values([b"b", b"x", b"a"])]
        entry = moment.get(b"a")
        assert entry is not None
        assert (b"a", 3, None) == (entry.key, number_in(entry), moment.get(b"x"))


@KINDS
@pytest.mark.parametrize(
    "read",
    [
        lambda moment: moment.page(Window(after=b"\x07")),
        lambda moment: moment.page(Window(until=b"")),
        lambda moment: moment.found("n", [Bounds()], Window(after=b"\x00" * 20)),
        lambda moment: moment.found("text", [Bounds()], Window(until=b"")),
    ],
)
def test_a_place_that_was_made_up_is_refused(kind: str, read: Callable[[Any], object]) -> None:
    with (
        mirrors(kind, [("a", 1)]) as moments,
        moments() as moment,
        pytest.raises(InvalidInputError, match=r"^This cursor"),
    ):
        read(moment)


@KINDS
@EXAMPLES
@given(place=st.binary(max_size=700), is_end=st.booleans(), reverse=st.booleans())
def test_any_bytes_as_a_place_are_answered_or_refused(kind: str, place: bytes, *, is_end: bool, reverse: bool) -> None:
    window = Window(reverse=reverse, **{"until" if is_end else "after": place})
    with mirrors(kind, [("a", 1), ("b", 2)]) as moments, moments() as moment:
        for read in (
            lambda: moment.page(window),
            lambda: moment.found("n", [Bounds()], window),
            lambda: moment.ranged(place, Bounds(place, None), window),
        ):
            with suppress(InvalidInputError):
                read()


@KINDS
def test_a_cursor_of_another_index_is_refused(kind: str) -> None:
    with mirrors(kind, [("a", 1)]) as moments, moments() as moment:
        place = moment.found("n", [Bounds()]).rows[0].place
        with pytest.raises(InvalidInputError, match="This cursor is none of this query"):
            moment.found("text", [Bounds()], Window(after=place))


@KINDS
def test_an_index_that_nobody_wants_is_told_from_one_that_is_not_built_yet(kind: str) -> None:
    declared = MirrorDefinition(indexes=("k",), range_field="k")
    with mirrors(kind, [("a", 1)]) as moments, moments() as moment:
        with pytest.raises(InvalidInputError, match="The mirror has no index of the field k"):
            moment.found("k", [Bounds()], declared=DEFINITION)
        with pytest.raises(InvalidInputError, match="no range index set"):
            moment.range(b"a", Bounds(), declared=MirrorDefinition())
        for read in (
            lambda: moment.found("k", [Bounds()], declared=declared),
            lambda: moment.ranged(b"a", Bounds(), declared=declared),
        ):
            with pytest.raises(UnavailableError, match=r"field k is declared, but not built yet. Try again later.$"):
                read()
