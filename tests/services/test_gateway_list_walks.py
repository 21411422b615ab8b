"""Walks through lists page by page while others write, and conditions against a plain filter.

By both executors, over mirrors in LMDB and held by other processes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.mirrors import MirrorDefinition
from core.registered_schema import RegisteredSchema
from core.sdl import parse_gateway_schema
from core.sdl_lists import with_lists
from core.types import TopicType, codec_for
from services.gateway.executor import GatewayExecutor
from services.local_mirrors import LocalMirrors
from services.mirrors.ranges import DeclaredIndexes
from tests.services.network import remote_mirrors
from tests.services.written_mirror import Topics, WrittenMirror

SDL = """
type Query { rows: [Row] @topic(name: "t") }
type Row { id: Long  n: Long  ratio: Float  text: String  kind: Kind  at: DateTime  flag: Boolean }
enum Kind { LARGE SMALL MEDIUM }
"""
INDEXES: Final = ("n", "ratio", "text", "kind", "at", "flag")
KIND = {"type": "enum", "name": "Kind", "symbols": ["LARGE", "SMALL", "MEDIUM"]}


def nullable(name: str, type_: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", type_], "default": None}


SCHEMA = RegisteredSchema(
    schema_id=1,
    schema_type="AVRO",
    schema=json.dumps(
        {
            "type": "record",
            "name": "Row",
            "fields": [
                {"name": "id", "type": "long"},
                nullable("n", "long"),
                nullable("ratio", "double"),
                nullable("text", "string"),
                nullable("kind", KIND),
                nullable("at", {"type": "long", "logicalType": "timestamp-millis"}),
                nullable("flag", "boolean"),
            ],
        }
    ),
)
KEYS = codec_for(TopicType.LONG)
VALUES = codec_for(TopicType.SCHEMA, schema=SCHEMA, schemas=lambda _: SCHEMA)
PARTITIONS: Final = 3


class Rows:
    """A topic of rows, a gateway that lists them, and who writes them: each key to one partition."""

    def __init__(self, folder: Path) -> None:
        definition = MirrorDefinition(indexes=INDEXES)
        self.mirror = WrittenMirror(folder, KEYS, VALUES, definition=definition, schema=SCHEMA, partitions=PARTITIONS)
        schema = with_lists(parse_gateway_schema(SDL), {"t": INDEXES})
        sources: list[Any] = [Topics(self.mirror), remote_mirrors(self.mirror)]
        self._executors = [
            GatewayExecutor(schema, LocalMirrors(source, DeclaredIndexes()), uses_plans=uses_plans)
            for source in sources
            for uses_plans in (True, False)
        ]

    def put(self, key: int, **fields: Any) -> None:
        self.mirror.write({key: {"id": key, **fields}}, partition=key % PARTITIONS)

    def delete(self, key: int) -> None:
        self.mirror.write({key: None}, partition=key % PARTITIONS)

    def ask(self, query: str, **variables: Any) -> Any:
        answer, *others = (executor.execute(query, None, variables) for executor in self._executors)
        assert [answer] * len(others) == others
        assert "errors" not in answer, answer
        return answer["data"]


@contextmanager
def rows() -> Iterator[Rows]:
    with tempfile.TemporaryDirectory() as folder:
        made = Rows(Path(folder))
        yield made
        made.mirror.close()


STAYING = range(0, 40, 2)
"""Keys that nobody writes during a walk; all others come and go."""

WRITES = st.lists(
    st.tuples(st.sampled_from(range(1, 40, 2)), st.none() | st.integers(-3, 3)),
    max_size=4,
)
WALK = """query ($first: Int, $last: Int, $after: String, $before: String, $where: RowWhere) {
  rowsConnection(first: $first, last: $last, after: $after, before: $before, where: $where) {
    edges { cursor node { id n } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), reverse=st.booleans(), by_index=st.booleans())
def test_a_walk_gives_each_row_that_stays_once_and_in_order_whatever_is_written_meanwhile(
    data: st.DataObject,
    *,
    reverse: bool,
    by_index: bool,
) -> None:
    with rows() as topic:
        for key in STAYING:
            topic.put(key, n=key % 5 - 2)
        seen: list[tuple[int, int]] = []
        where = {"n": {}} if by_index else {}
        place, has_more = None, True
        while has_more:
            size = data.draw(st.integers(1, 7))
            part = {"last": size, "before": place} if reverse else {"first": size, "after": place}
            page = topic.ask(WALK, where=where, **part)["rowsConnection"]
            found = [(edge["node"]["n"], edge["node"]["id"]) for edge in page["edges"]]
            assert len(found) <= size
            seen += reversed(found) if reverse else found
            info = page["pageInfo"]
            has_more = info["hasPreviousPage" if reverse else "hasNextPage"]
            place = info["startCursor" if reverse else "endCursor"]
            for key, n in data.draw(WRITES):
                if n is None:
                    topic.delete(key)
                else:
                    topic.put(key, n=n)
        order = [n for n, _ in seen] if by_index else [key for _, key in seen]
        event(f"{len(seen) - len(STAYING)} came meanwhile")
    assert sorted(order, reverse=reverse) == order
    assert list(STAYING) == sorted(key for _, key in seen if key in STAYING)
    if not by_index:
        assert len(seen) == len({key for _, key in seen})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=st.lists(st.integers(1, 9), min_size=1), keys=st.sets(st.integers(-(2**63), 2**63 - 1), max_size=30))
def test_pages_of_any_sizes_are_together_the_whole_list(sizes: list[int], keys: set[int]) -> None:
    with rows() as topic:
        for key in keys:
            topic.put(key)
        whole = [row["id"] for row in topic.ask("{ rows { id } }")["rows"]]
        for size_name, place_name, end, more in (
            ("first", "after", "endCursor", "hasNextPage"),
            ("last", "before", "startCursor", "hasPreviousPage"),
        ):
            walked: list[int] = []
            place, has_more, number = None, True, 0
            while has_more:
                part = {size_name: sizes[number % len(sizes)], place_name: place}
                page = topic.ask(WALK, **part)["rowsConnection"]
                ids = [edge["node"]["id"] for edge in page["edges"]]
                walked = walked + ids if size_name == "first" else ids + walked
                place, has_more, number = page["pageInfo"][end], page["pageInfo"][more], number + 1
            assert whole == walked
    assert keys == set(whole)


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "n": st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1]),
    "ratio": st.sampled_from([-1e300, -2.5, -0.0, 0.0, 0.5, 3.0, 1e300]),
    "text": st.sampled_from(["", "a", "A", "aa", "é", "z" * 400, "z" * 400 + "a", "\u20ac\x00", "\U0001f600"]),
    "kind": st.sampled_from(["LARGE", "SMALL", "MEDIUM"]),
    "at": st.integers(-5, 5).map(moment),
    "flag": st.booleans(),
}
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in FIELDS.items()}), max_size=15
)


@st.composite
def conditions(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Return conditions on a field, of which two bounds are in the right order."""
    value = FIELDS[name]
    operators = ["eq"] if name == "flag" else ["eq", "in"] if name == "kind" else ["eq", "in", "lower", "upper"]
    made: dict[str, Any] = {}
    for operator in draw(st.sets(st.sampled_from(operators), max_size=2)):
        match operator:
            case "in":
                made["in"] = draw(st.lists(value, max_size=3))
            case "lower":
                made[draw(st.sampled_from(["gt", "gte"]))] = draw(value)
            case "upper":
                made[draw(st.sampled_from(["lt", "lte"]))] = draw(value)
            case _:
                made[operator] = draw(value)
    low, high = ({"gt", "gte"} & made.keys()), ({"lt", "lte"} & made.keys())
    if low and high and comparable(name, made[min(low)]) > comparable(name, made[min(high)]):
        made[min(low)], made[min(high)] = made[min(high)], made[min(low)]
    return made


@st.composite
def wheres(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.sets(st.sampled_from(INDEXES), max_size=3))
    return {name: draw(conditions(name)) for name in names}


def comparable(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name == "at" else value.encode() if name in {"text", "kind"} else value


def meets(record: dict[str, Any], where: dict[str, Any]) -> bool:
    """Return whether a record meets conditions, as their names say it."""
    for name, given_ in where.items():
        if record.get(name) is None:
            return False
        value = comparable(name, record[name])
        for operator, other in given_.items():
            if operator == "in":
                holds = value in [comparable(name, one) for one in other]
            else:
                bound = comparable(name, other)
                holds = {
                    "eq": value == bound,
                    "gt": name != "flag" and value > bound,
                    "gte": name != "flag" and value >= bound,
                    "lt": name != "flag" and value < bound,
                    "lte": name != "flag" and value <= bound,
                }[operator]
            if not holds:
                return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=RECORDS, where=wheres(), size=st.integers(1, 5))
def test_conditions_leave_what_a_plain_filter_leaves(
    records: list[dict[str, Any]], where: dict[str, Any], size: int
) -> None:
    query = "query ($where: RowWhere, $n: Int) { rows(where: $where) { id } head: rows(where: $where, first: $n) { id }"
    query += " tail: rows(where: $where, last: $n) { id } }"
    with rows() as topic:
        for key, record in enumerate(records):
            topic.put(key, **record)
        data = topic.ask(query, where=where, n=size)
    found = [row["id"] for row in data["rows"]]
    event(f"{min(len(found), 3)} rows or more")
    assert [key for key, record in enumerate(records) if meets(record, where)] == sorted(found)
    assert found[:size] == [row["id"] for row in data["head"]]
    assert found[-size:] == [row["id"] for row in data["tail"]]
    scanned = next((name for rule in ("eq", "in") for name in INDEXES if rule in where.get(name, ())), None)
    scanned = scanned or next((name for name in INDEXES if name in where), None)
    if scanned is not None:
        values = [comparable(scanned, records[key][scanned]) for key in found]
        assert sorted(values) == values
