import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from core.avro_types import parse_avro
from core.errors import InvalidValueError, Mismatch
from core.json_to_avro import Shape, compile_shape

COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
PRICE = {
    "type": "record",
    "name": "Price",
    "fields": [{"name": "total", "type": "double"}, {"name": "currency", "type": "string"}],
}


def shape_of(**fields: Any) -> Shape:
    """Compile a record with these fields; a field given as a dict with "default" is taken as it is."""
    definitions = [
        {"name": name, **field} if isinstance(field, dict) and "default" in field else {"name": name, "type": field}
        for name, field in fields.items()
    ]
    return compile_shape(parse_avro(json.dumps({"type": "record", "name": "Root", "fields": definitions}), "S"))


def cause(shape: Shape, node: Any) -> str:
    with pytest.raises(InvalidValueError) as refused:
        shape(node)
    prefix, _, text = str(refused.value).partition("Data does not conform to schema: ")
    assert not prefix
    return text


def test_unknown_fields_are_ignored_at_every_level() -> None:
    shape = shape_of(a="int", price=PRICE)
    node = {"a": 1, "x": 2, "price": {"total": 1.5, "currency": "EUR", "y": None}}
    assert {"a": 1, "price": {"total": 1.5, "currency": "EUR"}} == shape(node)


def test_a_missing_field_takes_its_default() -> None:
    shape = shape_of(
        a={"type": ["null", "int"], "default": None},
        b={"type": "bytes", "default": "\u00ff"},
        c={"type": {"type": "array", "items": "int"}, "default": [1]},
        d={"type": PRICE, "default": {"total": 1, "currency": "EUR"}},
    )
    assert {"a": None, "b": b"\xff", "c": [1], "d": {"total": 1.0, "currency": "EUR"}} == shape({})


def test_a_default_is_a_new_value_each_time() -> None:
    shape = shape_of(a={"type": {"type": "array", "items": "int"}, "default": []})
    shape({})["a"].append(5)
    assert {"a": []} == shape({})


def test_a_missing_field_without_default_is_refused() -> None:
    shape = shape_of(a="int", b=["null", "string"], c=COLOUR)
    assert "Field a type:INT pos:0 not set and has no default value" == cause(shape, {})
    assert "Field c type:ENUM pos:2 not set and has no default value" == cause(shape, {"a": 1, "b": None})
    text = "Field a type:UNION pos:0 not set and has no default value"
    assert text == cause(shape_of(a=["int", "string"]), {})


def test_a_missing_field_that_takes_null_is_null() -> None:
    assert {"a": None, "b": None} == shape_of(a=["null", "int"], b=["int", "string", "null"])({})


def test_null_for_a_field_that_takes_none_is_refused() -> None:
    assert "Field b type:STRING pos:1 does not accept null values" == cause(
        shape_of(a="int", b="string"), {"a": 1, "b": None}
    )


@pytest.mark.parametrize(
    ("avro_type", "node", "expected"),
    [
        ("int", "5", "java.lang.Number"),
        ("int", True, "java.lang.Number"),
        ("long", [], "java.lang.Number"),
        ("float", "1.5", "java.lang.Number"),
        ("double", False, "java.lang.Number"),
        ("string", 5, "java.lang.String"),
        ("bytes", 5, "java.lang.String"),
        ("boolean", 1, "java.lang.Boolean"),
        ({"type": "array", "items": "int"}, {}, "java.util.List"),
        ({"type": "map", "values": "int"}, [], "java.util.Map"),
        (PRICE, "x", "java.util.Map"),
    ],
)
def test_a_node_of_another_type_is_refused_with_the_java_name(avro_type: Any, node: Any, expected: str) -> None:
    assert f"Field a is expected to be type: {expected}" == cause(shape_of(a=avro_type), {"a": node})


def test_a_path_goes_through_records_lists_and_maps() -> None:
    prices = {"type": "map", "values": {"type": "array", "items": PRICE}}
    node = {"prices": {"eu": [{"total": 1, "currency": "EUR"}, {"total": "x", "currency": "EUR"}]}}
    assert "Field prices.eu.1.total is expected to be type: java.lang.Number" == cause(shape_of(prices=prices), node)


@pytest.mark.parametrize(
    ("avro_type", "node", "expected"),
    [("int", 5.0, 5), ("long", -3.0, -3), ("long", 2**62, 2**62), ("double", 2, 2.0), ("float", 0.5, 0.5)],
)
def test_a_number_that_fits_is_taken(avro_type: str, node: Any, expected: Any) -> None:
    value = shape_of(a=avro_type)({"a": node})["a"]
    assert expected == value
    assert type(expected) is type(value)


@pytest.mark.parametrize(
    ("avro_type", "node"),
    [
        ("int", 2**31),
        ("int", -(2**31) - 1),
        ("int", 5.5),
        ("int", 1e300),
        ("long", 2**63),
        ("long", 2.0**63),
        ("long", 0.1),
        ("float", 1e300),
        ("float", 10**400),
        ("double", 10**400),
    ],
)
def test_a_number_that_does_not_fit_is_refused_instead_of_wrapped(avro_type: str, node: Any) -> None:
    text = cause(shape_of(a=avro_type), {"a": node})
    assert text.startswith("Field a is expected to be ")
    assert f"({avro_type}). Got: " in text


def test_an_enum_takes_its_symbols_only() -> None:
    shape = shape_of(a=COLOUR)
    assert {"a": "BLUE"} == shape({"a": "BLUE"})
    for node in ("GREEN", 5):
        assert "Field a is expected to be of enum type and be one of RED, BLUE" == cause(shape, {"a": node})


def test_bytes_are_base64() -> None:
    shape = shape_of(a="bytes", b={"type": "fixed", "name": "Two", "size": 2})
    assert {"a": b"\x00\xff", "b": b"ab"} == shape({"a": "AP8=", "b": "YWI="})
    for text in ("AP8", "AP9=", "A\nP8=", "_w==", "€", "AP8=="):
        assert "Field a is expected to be bytes in base64. Got: " in cause(shape, {"a": text, "b": "YWI="})
    assert "Field b is expected to be 2 bytes in base64" in cause(shape, {"a": "", "b": "YQ=="})


def test_a_nullable_field_takes_null_and_its_type() -> None:
    shape = shape_of(a=["null", "int"], b=["string", "null"])
    assert {"a": None, "b": None} == shape({"a": None, "b": None})
    assert {"a": 1, "b": "x"} == shape({"a": 1, "b": "x"})


def test_a_union_takes_the_first_branch_that_fits_in_declared_order() -> None:
    shape = shape_of(a=["int", "long", "float", "double", "string", COLOUR])
    assert ("int", 5) == shape({"a": 5})["a"]
    assert ("int", 5) == shape({"a": 5.0})["a"]
    assert ("long", 2**40) == shape({"a": 2**40})["a"]
    assert ("float", 0.1) == shape({"a": 0.1})["a"]
    assert ("double", 1e300) == shape({"a": 1e300})["a"]
    assert ("string", "RED") == shape({"a": "RED"})["a"]


def test_a_union_of_records_takes_the_first_that_fits_not_the_one_with_most_fields() -> None:
    small = {
        "type": "record",
        "name": "Small",
        "namespace": "n",
        "fields": [{"name": "total", "type": "double"}],
    }
    node = {"total": 1, "currency": "EUR"}
    assert ("n.Small", {"total": 1.0}) == shape_of(a=[small, PRICE])({"a": node})["a"]
    assert ("Price", {"total": 1.0, "currency": "EUR"}) == shape_of(a=[PRICE, small])({"a": node})["a"]


def test_a_value_that_no_branch_takes_is_refused_with_the_branches() -> None:
    shape = shape_of(outer={"type": "record", "name": "Outer", "fields": [{"name": "a", "type": ["int", "null"]}]})
    assert (
        "Could not evaluate union, field a is expected to be one of these: INT, NULL. "
        "If this is a complex type, check if offending field: outer.a adheres to schema."
    ) == cause(shape, {"outer": {"a": "x"}})
    assert (
        "Could not evaluate union, field a is expected to be one of these: INT, STRING, RECORD. "
        "If this is a complex type, check if offending field: a adheres to schema."
    ) == cause(shape_of(a=["int", "string", PRICE]), {"a": {"total": 1}})


def test_what_is_wrong_inside_a_nullable_record_is_said() -> None:
    assert (
        "Could not evaluate union, field prices is expected to be one of these: NULL, RECORD. "
        "If this is a complex type, check if offending field: prices.1 adheres to schema. "
        "Cause: Field prices.1.total is expected to be type: java.lang.Number"
    ) == cause(
        shape_of(prices={"type": "array", "items": ["null", PRICE]}),
        {"prices": [None, {"total": "x", "currency": "EUR"}]},
    )


@pytest.mark.parametrize(
    ("union", "node", "expected"),
    [
        (["null", "string"], {"string": "x"}, "x"),
        (["null", "int", "string"], {"string": "x"}, ("string", "x")),
        (["string", COLOUR], {"Colour": "RED"}, ("Colour", "RED")),
        (["string", "bytes"], {"bytes": "AA=="}, ("bytes", b"\0")),
        (["null", PRICE], {"Price": {"total": 1, "currency": "EUR"}}, ("Price", {"total": 1.0, "currency": "EUR"})),
        (["null", {"type": "array", "items": "int"}], {"array": [1]}, ("array", [1])),
        (["null", {"type": "map", "values": "int"}], {"map": {"a": 1}}, ("map", {"a": 1})),
        (["null", {"type": "map", "values": "int"}], {"map": 5}, ("map", {"map": 5})),
        (["null", "int"], {"null": None}, None),
    ],
)
def test_what_no_branch_takes_plainly_may_be_wrapped(union: list[Any], node: Any, expected: Any) -> None:
    assert expected == shape_of(a=union)({"a": node})["a"]


def test_a_record_does_not_take_a_wrapper_for_itself_with_everything_left_out() -> None:
    small = {"type": "record", "name": "Small", "namespace": "n", "fields": [{"name": "x", "type": ["null", "int"]}]}
    for union in (["null", small], ["null", small, "string"]):
        shape = shape_of(a=union)
        for name in ("n.Small", "Small"):
            assert ("n.Small", {"x": 1}) == shape({"a": {name: {"x": 1}}})["a"]
        assert ("n.Small", {"x": 1}) == shape({"a": {"x": 1, "Small": 2}})["a"]
    own_key = {"type": "record", "name": "Own", "fields": [{"name": "Own", "type": ["null", "int"]}]}
    assert ("Own", {"Own": 1}) == shape_of(a=["null", own_key])({"a": {"Own": 1}})["a"]
    assert ("Own", {"Own": 1}) == shape_of(a=["null", own_key])({"a": {"Own": {"Own": 1}}})["a"]


def mismatch(shape: Shape, node: Any) -> Mismatch | None:
    with pytest.raises(InvalidValueError) as refused:
        shape(node)
    return refused.value.mismatch


@pytest.mark.parametrize(
    ("avro_type", "node", "expected"),
    [
        ("long", "5", Mismatch("long", '"5"', ("a",))),
        ("int", 2**40, Mismatch("int", str(2**40), ("a",))),
        ("string", None, Mismatch("string", "null", ("a",))),
        (COLOUR, "x", Mismatch("enum (RED, BLUE)", '"x"', ("a",))),
        (["null", "int"], [1], Mismatch("union (null, int)", "[1]", ("a",))),
        (["null", "int"], {"int": "x"}, Mismatch("int", '"x"', ("a", "int"))),
        (["int", PRICE], "x", Mismatch("union (int, record Price)", '"x"', ("a",))),
        (["null", PRICE], {"total": 1}, Mismatch("string", "", ("a", "currency"))),
        (["null", PRICE], {"Price": {"total": "x"}}, Mismatch("double", '"x"', ("a", "Price", "total"))),
        ({"type": "array", "items": ["null", PRICE]}, [None, 5], Mismatch("record Price", "5", ("a", 1))),
        (
            {"type": "map", "values": {"type": "array", "items": "boolean"}},
            {"x.y": [True, 1]},
            Mismatch("boolean", "1", ("a", "x.y", 1)),
        ),
        ({"type": "bytes", "logicalType": "decimal", "precision": 3}, "x", Mismatch("decimal(3, 0)", '"x"', ("a",))),
    ],
)
def test_a_refusal_holds_where_and_how_the_node_does_not_fit(avro_type: Any, node: Any, expected: Mismatch) -> None:
    assert expected == mismatch(shape_of(a=avro_type), {"a": node})


def test_a_missing_field_is_a_mismatch_that_found_nothing() -> None:
    assert Mismatch("int", "", ("a",)) == mismatch(shape_of(a="int"), {})


def test_unknown_keys_are_refused_on_request_at_every_level() -> None:
    prices = {"type": "array", "items": ["null", PRICE]}
    schema = {"type": "record", "name": "Root", "fields": [{"name": "prices", "type": prices}]}
    shape = compile_shape(parse_avro(json.dumps(schema), "S"), 7, strict=True)
    price = {"total": 1, "currency": "EUR"}
    assert {"prices": [("Price", price)]} == shape({"prices": [price]})
    for node, path, words in (
        ({"prices": [], "x": 5}, ("x",), "record Root"),
        ({"prices": [None, price | {"x": 5}]}, ("prices", 1, "x"), "record Price"),
        ({"prices": [{"Price": price | {"x": 5}}]}, ("prices", 0, "Price", "x"), "record Price"),
    ):
        assert Mismatch(f"a field of {words}", "5", path, 7) == mismatch(shape, node)
        assert f"Field {'.'.join(map(str, path))} is unknown: {words} has no such field. Leave it out" in cause(
            shape, node
        )


def test_a_default_of_bytes_is_what_avro_writes_for_them() -> None:
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
    shape = shape_of(
        a={"type": "bytes", "default": "\u0000\u00ff"},
        b={"type": {"type": "array", "items": "bytes"}, "default": ["a"]},
        c={"type": amount, "default": "\u0004\u00ce"},
        d={"type": ["bytes", "null"], "default": "x"},
        e={"type": {"type": "int", "logicalType": "date"}, "default": 1},
    )
    assert {
        "a": b"\0\xff",
        "b": [b"a"],
        "c": Decimal("12.30"),
        "d": b"x",
        "e": date(1970, 1, 2),
    } == shape({})


def test_a_recursive_record_is_shaped_at_every_level() -> None:
    schema = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "value", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
    }
    shape = compile_shape(parse_avro(json.dumps(schema), "S"))
    assert {"value": 1, "next": ("Node", {"value": 2, "next": None})} == shape(
        {"value": 1, "next": {"value": 2, "next": None, "x": 0}}
    )


def test_a_value_nested_too_deep_is_refused() -> None:
    schema = '{"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}'
    node: dict[str, Any] = {"n": None}
    for _ in range(5000):
        node = {"n": node}
    assert "it is nested too deep. Send it with fewer levels." == cause(compile_shape(parse_avro(schema, "S")), node)


def test_a_mismatch_at_the_root_is_said() -> None:
    shape = compile_shape(parse_avro('["null", "string"]', "S"))
    assert "field (root) is expected to be one of these: NULL, STRING." in cause(shape, {})
