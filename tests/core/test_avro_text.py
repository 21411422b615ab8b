"""One Avro schema has one text: as Java's Avro prints it, and what is none is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.avro import AvroCodec
from core.avro_schema import to_avro
from core.avro_text import MAX_CHARS, MAX_TYPES, canonical_avro, self_contained_avro
from core.errors import InvalidInputError
from core.registered_schema import RegisteredSchema


def canonical(schema: Any, *, normalize: bool = False, **imports: Any) -> str:
    texts = {name: json.dumps(text) for name, text in imports.items()}
    return canonical_avro(json.dumps(schema), texts, normalize=normalize)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("int", '"int"'),
        ({"type": "int"}, '"int"'),
        ({"type": {"type": "int"}}, '"int"'),
        ({"logicalType": "date", "type": "int"}, '{"type":"int","logicalType":"date"}'),
        (["null", {"type": "string"}], '["null","string"]'),
        ({"items": "int", "type": "array"}, '{"type":"array","items":"int"}'),
        ({"values": ["null", "int"], "type": "map"}, '{"type":"map","values":["null","int"]}'),
        (
            {"size": 4, "name": "a.b.F", "type": "fixed", "aliases": ["G"]},
            '{"type":"fixed","name":"F","namespace":"a.b","size":4,"aliases":["G"]}',
        ),
        (
            {"default": "X", "symbols": ["X"], "doc": "größer", "namespace": "a", "name": "E", "type": "enum"},
            '{"type":"enum","name":"E","namespace":"a","doc":"größer","symbols":["X"],"default":"X"}',
        ),
        (
            {
                "fields": [{"default": 1, "order": "ascending", "type": "int", "name": "a"}],
                "name": "R",
                "type": "record",
            },
            '{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}',
        ),
        (
            {
                "type": "record",
                "name": "R",
                "namespace": "a",
                "fields": [
                    {"name": "x", "type": {"type": "record", "name": "S", "namespace": "a", "fields": []}},
                    {"name": "y", "type": {"type": "record", "name": "S", "namespace": "b", "fields": []}},
                    {"name": "z", "type": ["a.S", "b.S"], "order": "descending", "p": 1, "doc": "d"},
                ],
            },
            (
                '{"type":"record","name":"R","namespace":"a","fields":['
                '{"name":"x","type":{"type":"record","name":"S","fields":[]}},'
                '{"name":"y","type":{"type":"record","name":"S","namespace":"b","fields":[]}},'
                '{"name":"z","type":["S","b.S"],"doc":"d","order":"descending","p":1}]}'
            ),
        ),
    ],
)
def test_a_schema_has_one_text(schema: Any, expected: str) -> None:
    assert expected == canonical(schema)
    assert expected == canonical(json.loads(expected))


def test_only_when_normalized_the_order_of_unknown_properties_is_one() -> None:
    schema = {"type": "int", "b": 1, "a": 2}
    assert '{"type":"int","b":1,"a":2}' == canonical(schema)
    assert '{"type":"int","a":2,"b":1}' == canonical(schema, normalize=True)


def test_the_schemas_of_topics_have_their_canonical_text_except_for_namespaces() -> None:
    text = to_avro("type A { id: Int! b: [B!] } type B { x: Float, c: C } enum C { U }", "A", "quick")
    again = canonical_avro(text, {})
    assert again == canonical_avro(again, {})
    assert text.replace(',"namespace":"quick"', "") == again.replace(',"namespace":"quick"', "").replace('"quick.', '"')


MONEY = {
    "type": "record",
    "name": "Money",
    "namespace": "x",
    "fields": [{"name": "u", "type": {"type": "enum", "name": "Unit", "symbols": ["EUR"]}}],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "x",
    "fields": [{"name": "total", "type": "Money"}, {"name": "unit", "type": "x.Unit"}],
}


def test_what_another_schema_defines_stays_a_name_and_can_be_put_in() -> None:
    fields = '[{"name":"total","type":"Money"},{"name":"unit","type":"Unit"}]'
    expected = f'{{"type":"record","name":"Order","namespace":"x","fields":{fields}}}'
    assert expected == canonical(ORDER, **{"x.Money": MONEY})
    whole = self_contained_avro(json.dumps(ORDER), {"x.Money": json.dumps(MONEY)})
    assert canonical(whole) == json.dumps(whole, separators=(",", ":"))
    assert isinstance(whole, dict)
    assert "Money" == whole["fields"][0]["type"]["name"]
    assert "Unit" == whole["fields"][1]["type"]


def test_a_type_that_is_put_in_elsewhere_keeps_its_namespace() -> None:
    other = {"type": "record", "name": "y.Order", "fields": [{"name": "unit", "type": "x.Unit"}]}
    whole = self_contained_avro(json.dumps(other), {"x.Money": json.dumps(MONEY)})
    assert isinstance(whole, dict)
    expected = {"type": "enum", "name": "Unit", "namespace": "x", "symbols": ["EUR"]}
    assert expected == whole["fields"][0]["type"]


def test_what_says_nothing_about_bytes_can_be_left_out() -> None:
    schema = {
        "type": "error",
        "name": "R",
        "doc": "d",
        "fields": [{"name": "a", "type": {"type": "int", "logicalType": "date"}, "doc": "d"}],
    }
    expected = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    assert expected == self_contained_avro(json.dumps(schema), {}, bare=True)


def record(*fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (1, "1 is no type, at the schema"),
        ("nope", "type nope at the schema is not defined"),
        ({}, "is no type"),
        ({"type": "array"}, "says no items"),
        ({"type": "map"}, "says no values"),
        ([["int"]], "union holds another one"),
        (["int", "int"], "has int twice"),
        (["int", {"type": "map", "values": "int"}, {"type": "map", "values": "long"}], "has map twice"),
        ({"type": "record", "fields": []}, "has no name"),
        ({"type": "record", "name": "1", "fields": []}, "'1' is no name"),
        ({"type": "record", "name": "R", "namespace": "a..1", "fields": []}, "is no name"),
        ({"type": "record", "name": "R", "namespace": 1, "fields": []}, "no text"),
        ({"type": "record", "name": "R"}, "no fields"),
        (record({"name": "a"}), "needs a name and a type"),
        (record({"name": "a", "type": "int"}, {"name": "a", "type": "int"}), "the field a twice"),
        (record({"name": "a", "type": "nope"}), "at R.a"),
        (record({"name": "a", "type": "int", "default": "x"}), "must match schema type: int"),
        (record({"name": "a", "type": "int", "order": "up"}), 'order of R.a is "up"'),
        (record({"name": "a", "type": "int", "aliases": "b"}), "aliases of R.a"),
        (record({"name": "a", "type": record()}), "defined a second time"),
        (record({"name": "a", "type": "R"}), "holds another one of itself"),
        ({"type": "enum", "name": "E", "symbols": ["a", "a"]}, "symbol twice"),
        ({"type": "enum", "name": "E", "symbols": ["1"]}, "no name"),
        ({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}, "none of its symbols"),
        ({"type": "enum", "name": "E"}, "no symbols"),
        ({"type": "fixed", "name": "F", "size": -1}, "no size"),
        ({"type": "fixed", "name": "F", "size": True}, "no size"),
        (record(*({"name": f"f{n}", "type": "int"} for n in range(MAX_TYPES))), "more than"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        canonical(schema)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("message M { }", "not JSON"),
        ("[" * 100_000, "nested too deep|not JSON"),
        ('{"type":"array","items":' * 3000 + '"int"' + "}" * 3000, "nested too deep"),
        ('"' + "x" * MAX_CHARS + '"', "longer than"),
    ],
)
def test_what_is_no_json_or_has_no_end_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        canonical_avro(text, {})


def test_records_of_a_schema_that_names_another_one_are_written_and_read() -> None:
    imports = {"x.Money": json.dumps(MONEY)}
    schema = RegisteredSchema(schema_id=7, schema_type="AVRO", schema=json.dumps(ORDER), imports=imports)
    codec = AvroCodec(schema, {}.__getitem__)
    order = {"total": {"u": "EUR"}, "unit": "EUR"}
    assert order == codec.to_json(codec.decode(codec.encode(codec.from_json(order))))
