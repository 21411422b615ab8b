import json
from typing import Any

import pytest

from core.avro_types import AvroSchema, parse_avro
from core.errors import InvalidInputError


def parsed(schema: Any) -> AvroSchema:
    return parse_avro(json.dumps(schema), "Schema 7")


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


NODE = record("Node", value="int", next=["null", "Node"])
TREE = record("Tree", children={"type": "array", "items": "Tree"})


def test_properties_of_tools_and_unknown_logical_types_leave_the_plain_type() -> None:
    schema = parsed(
        record(
            "R",
            at={"type": "long", "logicalType": "timestamp-parsecs"},
            label={"type": "string", "avro.java.string": "String"},
            nested={"type": {"type": ["null", "int"]}},
        )
    )
    assert ["long", "string", ["null", "int"]] == schema.parts(schema.root)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("long", "long"),
        ({"type": "int", "logicalType": "date"}, "date"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "decimal(9, 2)"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "enum (A, B)"),
        ({"type": "fixed", "name": "F", "namespace": "n", "size": 2}, "fixed n.F"),
        (NODE, "record Node"),
        ({"type": "array", "items": "int"}, "array"),
        (["null", {"type": "map", "values": "int"}], "union (null, map)"),
    ],
)
def test_types_have_words_for_messages(node: Any, expected: str) -> None:
    schema = parsed(record("R", a=node))
    assert expected == schema.words(schema.parts(schema.root)[0])


def test_references_may_be_wrapped() -> None:
    schema = parsed(record("R", first=record("Other"), second={"type": "Other"}))
    assert ["record", "record"] == [schema.kind(part) for part in schema.parts(schema.root)]


def test_names_are_resolved_in_their_namespace() -> None:
    schema = parsed(record("R", first=record("Other"), second="Other") | {"namespace": "shop"})
    assert ["shop.Other", "shop.Other"] == [schema.name(part) for part in schema.parts(schema.root)]


def test_reachable_types_end_although_the_schema_does_not() -> None:
    schema = parsed(NODE)
    assert ["Node", "int", "null", "union"] == sorted(map(schema.name, schema.reachable(schema.root)))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (NODE, ["Node"]),
        (TREE, ["Tree"]),
        (record("A", b=record("B", a=["null", "A"])), ["A", "B"]),
        (record("A", b=record("B"), c="B"), []),
    ],
)
def test_records_that_hold_themselves_are_known(schema: Any, expected: list[str]) -> None:
    assert expected == sorted(set(parsed(schema).holding_themselves()))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        "Unknown",
        record("R", a="Unknown"),
        record("R", a=record("R")),
        {"type": "enum", "name": "E", "symbols": ["a-b"]},
        [[[]]] * 2 + [{"type": 5}],
        record("int"),
        record("R", a="R"),
        record("A", b=record("B", a="A")),
        record("R", a=["int", {"type": "int", "logicalType": "date"}]),
    ],
)
def test_what_is_no_usable_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidInputError, match="Schema 7 cannot be used as Avro"):
        parsed(schema)


def test_a_record_without_end_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="always holds another one of itself: Endless"):
        parsed(record("Endless", again="Endless"))


def test_a_schema_in_another_format_is_not_available_yet() -> None:
    with pytest.raises(InvalidInputError, match="Schema 7 is not an Avro schema"):
        parse_avro('syntax = "proto3"; message A { int32 b = 1; }', "Schema 7")


def test_a_schema_nested_too_deep_is_refused() -> None:
    text = '{"type": "array", "items": ' * 3000 + '"int"' + "}" * 3000
    with pytest.raises(InvalidInputError, match="Schema 7 is nested too deep"):
        parse_avro(text, "Schema 7")
