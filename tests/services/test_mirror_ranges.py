"""Ranges and indexes over REST, on a mirror in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.ordered_bytes import Bounds
from services.mirrors.ranges import MAX_ROWS, bounds_of
from tests.services.mirror_app import MemoryMirror, MirrorApp, WholeNumberField, get, ordered

FIELD = WholeNumberField("at")


@pytest.fixture
def mirror() -> MemoryMirror:
    mirror = MemoryMirror()
    for at in (5, -3, 0, 12, 7):
        mirror.write("a", at)
    mirror.write("b/c", 6)
    return mirror


@pytest.fixture
def app(mirror: MemoryMirror) -> MirrorApp:
    return MirrorApp(mirror, range_field=FIELD, indexed={"at": FIELD})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=0&to=12", [0, 5, 7]),
        ("from=-3&to=1", [-3, 0]),
        ("from=0", [0, 5, 7, 12]),
        ("to=0", [-3]),
        ("gte=0&lte=7", [0, 5, 7]),
        ("gt=0&lt=7", [5]),
        ("gt=0&lte=7&reverse=true", [7, 5]),
        ("limit=2", [-3, 0]),
        ("limit=2&reverse=true", [12, 7]),
        ("from=7&to=7", []),
        ("gte=7&lte=7", [7]),
        ("from=100&to=200", []),
        ("", [-3, 0, 5, 7, 12]),
    ],
)
def test_a_range_is_answered_in_the_order_of_the_field(app: MirrorApp, query: str, expected: list[int]) -> None:
    assert (200, {"value": expected}) == get(app.client(), f"/mirror/t/mirror/range/a?{query}")


def test_a_key_may_hold_slashes_and_may_be_unknown(app: MirrorApp) -> None:
    assert (200, {"value": [6]}) == get(app.client(), "/mirror/t/mirror/range/b/c?from=0&to=9")
    assert (200, {"value": []}) == get(app.client(), "/mirror/t/mirror/range/nobody?from=0&to=9")


def test_the_key_of_a_range_can_be_a_parameter(app: MirrorApp, mirror: MemoryMirror) -> None:
    for number, key in enumerate(("", ".", "x/")):
        mirror.write(key, number)
        answer = app.client().simulate_get("/mirror/t/range", params={"key": key, "gte": "0"})
        assert (200, {"value": [number]}) == (answer.status_code, answer.json)
    assert (400, "The parameter key is missing. Name the key of the range: ?key=KEY") == get(
        app.client(), "/mirror/t/range?gte=0"
    )
    assert 400 == get(app.client(), "/mirror/t/mirror/range/a?key=a")[0]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("from=1&lt=2", "two forms"),
        ("gte=1&gt=1", "both of one end"),
        ("lte=1&lt=1", "both of one end"),
        ("from=2&to=1", "Nothing of field at lies from '2' to '1'"),
        ("from=x&to=1", "'x' is no bound of field at"),
        ("from=1&from=2", "given 2 times"),
        ("fromm=1", "'fromm' is unknown here"),
        ("limit=0", "from 1 to 10000"),
        ("limit=10001", "from 1 to 10000"),
        ("limit=x", "from 1 to 10000"),
        ("reverse=maybe", "Give true or false"),
    ],
)
def test_bounds_that_cannot_be_used_are_refused(app: MirrorApp, query: str, part: str) -> None:
    status, detail = get(app.client(), f"/mirror/t/mirror/range/a?{query}")
    assert 400 == status
    assert part in detail


def test_a_mirror_without_range_says_so(mirror: MemoryMirror) -> None:
    expected = (400, "You are trying to query a range. But no range index set.")
    assert expected == get(MirrorApp(mirror).client(), "/mirror/t/mirror/range/a?from=0&to=12")
    only_indexed = MirrorApp(mirror, indexed={"at": FIELD})
    assert expected == get(only_indexed.client(), "/mirror/t/mirror/range/a?from=0&to=12")


def test_a_range_key_takes_the_place_of_the_topics_key(mirror: MemoryMirror) -> None:
    mirror.write("z", 4, ranged_under=ordered(42))
    client = MirrorApp(mirror, range_field=FIELD, range_key=WholeNumberField("by")).client()
    assert (200, {"value": [4]}) == get(client, "/mirror/t/mirror/range/42?from=0&to=9")
    assert (200, {"value": 4}) == get(client, "/mirror/t/mirror/z")
    assert (400, "'z' is no bound of field by. Give a whole number.") == get(client, "/mirror/t/mirror/range/z?from=0")


def test_more_records_than_an_answer_takes_need_a_limit() -> None:
    mirror = MemoryMirror()
    for at in range(MAX_ROWS + 1):
        mirror.write("a", at)
    client = MirrorApp(mirror, range_field=FIELD).client()
    status, detail = get(client, "/mirror/t/mirror/range/a")
    assert 400 == status
    assert "Narrow its bounds" in detail
    assert (200, {"value": list(range(MAX_ROWS))}) == get(client, f"/mirror/t/mirror/range/a?lt={MAX_ROWS}")
    assert (200, {"value": [MAX_ROWS]}) == get(client, "/mirror/t/mirror/range/a?limit=1&reverse=true")


def numbered() -> MemoryMirror:
    mirror = MemoryMirror()
    for number in range(10):
        mirror.write(f"k{number}", number % 5)
    return mirror


def test_an_index_is_answered_page_by_page() -> None:
    client = MirrorApp(numbered(), indexed={"at": FIELD}).client()
    values, after, pages = [], "", 0
    while True:
        status, body = get(client, f"/mirror/t/mirror/index/at?gte=1&lt=4&limit=4{after}")
        assert 200 == status
        values += body["value"]
        pages += 1
        if body["next"] is None:
            break
        after = f"&after={body['next']}"
    assert ([1, 1, 2, 2, 3, 3], 2) == (values, pages)
    _, body = get(client, "/mirror/t/mirror/index/at?lte=0&keys=true&reverse=true")
    assert {"value": [{"key": "k5", "value": 0}, {"key": "k0", "value": 0}], "next": None} == body


def test_a_cursor_of_another_index_direction_or_of_nothing_is_refused() -> None:
    client = MirrorApp(numbered(), indexed={"at": FIELD, "by": FIELD}).client()
    cursor = get(client, "/mirror/t/mirror/index/at?limit=1")[1]["next"]
    for query in (
        f"by?after={cursor}",
        f"at?reverse=true&after={cursor}",
        "at?after=x",
        "at?after=",
        "at?after=%C3%A4",
    ):
        status, detail = get(client, f"/mirror/t/mirror/index/{query}")
        assert 400 == status
        assert "no cursor for this" in detail


def test_an_index_that_is_not_declared_is_named_with_those_that_are(app: MirrorApp, mirror: MemoryMirror) -> None:
    status, detail = get(app.client(), "/mirror/t/mirror/index/color")
    assert (404, True) == (status, "no index of field color. There are: at." in detail)
    status, detail = get(MirrorApp(mirror).client(), "/mirror/t/mirror/index/color")
    assert (404, True) == (status, "There are: none." in detail)


BOUNDS = st.dictionaries(st.sampled_from(["gte", "gt", "lte", "lt", "from", "to"]), st.integers(-5, 5))


@given(BOUNDS)
def test_bounds_mean_what_their_names_say_or_are_refused(given_bounds: dict[str, int]) -> None:
    """Every number that every given bound allows is in the range, and no other one."""
    rules = {
        "gte": lambda number, bound: number >= bound,
        "from": lambda number, bound: number >= bound,
        "gt": lambda number, bound: number > bound,
        "lte": lambda number, bound: number <= bound,
        "lt": lambda number, bound: number < bound,
        "to": lambda number, bound: number < bound,
    }
    wanted = [n for n in range(-7, 8) if all(rules[name](n, bound) for name, bound in given_bounds.items())]
    try:
        bounds: Bounds = bounds_of(FIELD, given_bounds, FIELD.from_json)
    except InvalidInputError:
        is_mixed = bool({"from", "to"} & given_bounds.keys()) and bool({"gte", "gt", "lte", "lt"} & given_bounds.keys())
        is_doubled = {"gte", "gt"} <= given_bounds.keys() or {"lte", "lt"} <= given_bounds.keys()
        assert is_mixed or is_doubled or not wanted
        return
    mirror = MemoryMirror()
    for number in range(-7, 8):
        mirror.write("a", number)
    rows = mirror.range(b"a", bounds)
    assert wanted == [int.from_bytes(row.value, signed=True) for row in rows]
