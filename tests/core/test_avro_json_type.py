"""The quick way from JSON to records gives what the longer way gives, or leaves it to that one."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.avro import AvroCodec
from core.errors import InvalidValueError
from core.registered_schema import RegisteredSchema

PRICE = {
    "type": "record",
    "name": "Price",
    "namespace": "shop",
    "fields": [{"name": "total", "type": ["null", "double"], "default": None}, {"name": "n", "type": ["null", "int"]}],
}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}


def record(**fields: Any) -> dict[str, Any]:
    """Return a record with these fields; a field given as a dict with "default" is taken as it is."""
    definitions = [
        {"name": name, **field} if isinstance(field, dict) and "default" in field else {"name": name, "type": field}
        for name, field in fields.items()
    ]
    return {"type": "record", "name": "R", "fields": definitions}


def codec_of(schema: Any) -> AvroCodec:
    registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(schema))
    return AvroCodec(registered, lambda _: registered)


def quick(codec: AvroCodec, text: bytes) -> bytes | None:
    """Return the bytes that the quick way gives, `None` where it takes the JSON not."""
    try:
        value = msgspec.json.decode(text, type=codec.json_type)
    except msgspec.ValidationError:
        return None
    return codec.encode(value)


def long(codec: AvroCodec, text: bytes) -> bytes | None:
    try:
        return codec.encode(codec.from_json(msgspec.json.decode(text)))
    except InvalidValueError:
        return None


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        (record(a="int", b="string", c="boolean"), {"a": 5, "b": "ä\U0001f600", "c": True}),
        (record(a="long", b="float", c="double"), {"a": 2**63 - 1, "b": 0.1, "c": 5}),
        (record(a=["null", "string"], b=["int", "null"]), {}),
        (record(a=["null", "string"], b=["int", "null"]), {"a": "x", "b": None, "unknown": [1]}),
        (record(a=COLOUR, b=["null", "Colour"]), {"a": "RED", "b": "BLUE"}),
        (record(a={"type": "array", "items": ["null", PRICE]}, b="shop.Price"), {"a": [None, {}, {"n": 1}], "b": {}}),
        (record(a={"type": "map", "values": {"type": "array", "items": "long"}}), {"a": {"x": [1, 2], "y": []}}),
        (record(a={"type": "int", "default": 7}, b={"type": ["null", PRICE], "default": None}), {}),
        (record(a={"type": {"type": "array", "items": "int"}, "default": [1]}), {}),
        (record(a={"type": PRICE, "default": {"n": 1}}), {}),
        (record(a={"type": "double", "default": 1}, b={"type": COLOUR, "default": "BLUE"}), {}),
        ({"type": "map", "values": ["null", PRICE]}, {"a": {"total": 1}, "b": None}),
    ],
)
def test_what_conforms_takes_the_quick_way_to_the_same_bytes(schema: Any, node: Any) -> None:
    codec, text = codec_of(schema), json.dumps(node).encode()
    assert long(codec, text) is not None
    assert long(codec, text) == quick(codec, text)


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        (record(a="int"), {"a": 2**31}),
        (record(a="int"), {"a": 5.5}),
        (record(a="long"), {"a": -(2**63) - 1}),
        (record(a="float"), {"a": 1e300}),
        (record(a="double"), {"a": 10**400}),
        (record(a="string"), {"a": None}),
        (record(a="string"), {}),
        (record(a=COLOUR), {"a": "GREEN"}),
        (record(a=["null", {"type": "enum", "name": "E", "symbols": ["A"], "default": "A"}]), {"a": "NEW"}),
        (record(a={"type": "array", "items": "int"}), {"a": [True]}),
    ],
)
def test_what_does_not_conform_goes_neither_way(schema: Any, node: Any) -> None:
    codec, text = codec_of(schema), json.dumps(node).encode()
    assert (None, None) == (quick(codec, text), long(codec, text))


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        (record(a="int"), {"a": 5.0}),
        (record(a=["null", "string"]), {"a": {"string": "x"}}),
        (record(a=["null", PRICE]), {"a": {"shop.Price": {"n": 1}}}),
        (record(a=["null", PRICE]), {"a": {"Price": {"n": 1}}}),
    ],
)
def test_other_forms_are_left_to_the_longer_way(schema: Any, node: Any) -> None:
    codec, text = codec_of(schema), json.dumps(node).encode()
    assert quick(codec, text) is None
    assert long(codec, text) is not None


@pytest.mark.parametrize(
    "avro_type",
    [
        "bytes",
        {"type": "fixed", "name": "F", "size": 2},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "string", "logicalType": "uuid"},
        ["int", "string"],
        ["null", "int", "string"],
        ["null", "R"],
        {"type": "int", "default": 2**40},
    ],
)
def test_what_msgspec_cannot_say_exactly_has_no_type(avro_type: Any) -> None:
    assert codec_of(record(a=avro_type)).json_type is None


def test_a_root_that_is_no_object_has_no_type() -> None:
    assert codec_of(["null", PRICE]).json_type is None


_NAMES = st.sampled_from(["a", "b", "c", "Price", "r1"])
_SCALARS = st.sampled_from(["boolean", "int", "long", "float", "double", "string"])
_DEFAULTS = {
    "null": None,
    "boolean": True,
    "int": 7,
    "long": -7,
    "float": 1,
    "double": 0.5,
    "string": "x",
    "array": [],
    "map": {},
}
_SMALL_NUMBERS = st.integers(-200, 200) | st.floats(-100, 100, width=32)


@st.composite
def _schemas(draw: st.DrawFn) -> Any:
    """Draw a record; each named type has a number of its own."""
    numbers = itertools.count()

    def avro_type(levels: int) -> Any:
        shapes = ["scalar", "scalar", "nullable", "enum"] + ["array", "map", "record"] * (levels > 0)
        match draw(st.sampled_from(shapes)):
            case "nullable":
                inner = avro_type(levels - 1)
                return inner if isinstance(inner, list) else draw(st.permutations(["null", inner]))
            case "enum":
                symbols = draw(st.lists(st.sampled_from("ABCD"), min_size=1, unique=True))
                return {"type": "enum", "name": f"e{next(numbers)}", "symbols": symbols}
            case "array":
                return {"type": "array", "items": avro_type(levels - 1)}
            case "map":
                return {"type": "map", "values": avro_type(levels - 1)}
            case "record":
                return new_record(levels - 1)
        return draw(_SCALARS)

    def default_of(type_: Any) -> dict[str, Any]:
        first = type_[0] if isinstance(type_, list) else type_
        kind = first if isinstance(first, str) else first["type"]
        if kind == "record" or draw(st.booleans()):
            return {}
        return {"default": first["symbols"][-1] if kind == "enum" else _DEFAULTS[kind]}

    def new_record(levels: int) -> Any:
        name, namespace = f"r{next(numbers)}", draw(st.sampled_from(["shop", ""]))
        types = {name: avro_type(levels) for name in draw(st.lists(_NAMES, max_size=4, unique=True))}
        fields = [{"name": name, "type": type_} | default_of(type_) for name, type_ in types.items()]
        return {"type": "record", "name": name, "namespace": namespace, "fields": fields}

    return new_record(3)


_reals = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**25), 10**25) | _SMALL_NUMBERS
_small = st.integers(-200, 200)
_wholes = st.one_of([_small, _small, _small, _small, st.integers(-(2**64), 2**64), st.sampled_from([5.0, 2.0**63])])
_of_scalar: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "string": st.text(max_size=4),
    "int": _wholes,
    "long": _wholes,
    "float": _reals,
    "double": _reals,
}


def _nodes(schema: Any) -> st.SearchStrategy[Any]:
    """Return nodes that mostly fit *schema*: some fields are absent, some values wrapped or too large."""
    if isinstance(schema, str):
        return _of_scalar[schema]
    if isinstance(schema, list):
        fitting = st.one_of([_nodes(branch) for branch in schema])
        return st.one_of([fitting, fitting, fitting, *(_wrapped(branch) for branch in schema if branch != "null")])
    match schema["type"]:
        case "record":
            fields = {field["name"]: _nodes(field["type"]) for field in schema["fields"]}
            nullable = {field["name"] for field in schema["fields"] if isinstance(field["type"], list)}
            needed = {name: nodes for name, nodes in fields.items() if name not in nullable}
            optional = {name: fields[name] for name in nullable} | {"other": st.none()}
            return st.fixed_dictionaries(needed, optional=optional) | st.fixed_dictionaries({}, optional=fields)
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "array":
            return st.lists(_nodes(schema["items"]), max_size=3)
    return st.dictionaries(_NAMES, _nodes(schema["values"]), max_size=3)


def _wrapped(branch: Any) -> st.SearchStrategy[Any]:
    name = branch.get("name", branch["type"]) if isinstance(branch, dict) else branch
    return _nodes(branch).map(lambda node: {name: node})


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_schemas().flatmap(lambda schema: st.tuples(st.just(schema), _nodes(schema))))
def test_the_quick_way_never_differs_from_the_longer_one(drawn: tuple[Any, Any]) -> None:
    schema, node = drawn
    codec, text = codec_of(schema), json.dumps(node).encode()
    if codec.json_type is not None:
        assert quick(codec, text) in {None, long(codec, text)}
