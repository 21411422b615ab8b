import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInputError, InvalidValueError, Mismatch, NotFoundError
from core.protobuf import ProtobufCodec
from core.protobuf_compiler import compile_protobuf
from core.registered_schema import RegisteredSchema

INT32 = "int32, a whole number from -2147483648 to 2147483647"
HEAD = 'syntax = "proto3"; package shop; '
PRODUCT = """syntax = "proto3"; package shop;
message Product {
  int64 id = 1;
  optional string name = 2;
  Price price = 3;
  repeated Price earlier = 4;
  Colour colour = 5;
  map<string, int32> labels = 6;
  map<int32, Price> by_year = 7;
  bytes raw_data = 8;
  oneof origin { string country = 9; Price bought = 10; }
  Product similar = 11;
  double weight = 12;
  uint64 large = 13;
  bool fresh = 14;
  repeated Colour colours = 15;
  optional Colour maybe = 16;
  float rating = 17;
  map<bool, bytes> flags = 18;
  map<uint64, Colour> shades = 19;
  message Inner { message Deep { int32 a = 1; } repeated Deep deep = 1; }
  Inner inner = 20;
}
message Price { double total = 1; optional string currency = 2; }
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = -2; }
"""
KNOWN = """syntax = "proto3"; package shop;
import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
message A {
  google.protobuf.Timestamp at = 1;
  google.protobuf.Duration span = 2;
  google.protobuf.Struct object = 3;
  google.protobuf.Value value = 4;
  google.protobuf.ListValue list = 5;
  google.protobuf.FieldMask mask = 6;
  google.protobuf.Any any = 7;
  google.protobuf.Empty empty = 8;
  google.protobuf.Int64Value long = 9;
  google.protobuf.BytesValue bytes = 10;
  repeated google.protobuf.StringValue texts = 11;
  map<string, google.protobuf.Timestamp> times = 12;
  google.protobuf.NullValue nothing = 13;
  repeated google.protobuf.Value values = 14;
}
"""

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
_BYTES = st.binary(max_size=4).map(lambda raw: base64.b64encode(raw).decode())
_COLOURS = st.sampled_from(["UNSPECIFIED", "RED", "BLUE"]) | st.integers(5, 2**31 - 1)
_PRICES = st.fixed_dictionaries({"total": _DOUBLES}, optional={"currency": _TEXTS})
_YEARS = st.integers(-(2**31), 2**31 - 1).map(str)


def _products(similar: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1).map(str),
            "earlier": st.lists(_PRICES, max_size=2),
            "colour": _COLOURS,
            "labels": st.dictionaries(_TEXTS, st.integers(-(2**31), 2**31 - 1), max_size=2),
            "byYear": st.dictionaries(_YEARS, _PRICES, max_size=2),
            "rawData": _BYTES,
            "weight": _DOUBLES | st.sampled_from(["NaN", "Infinity", "-Infinity"]),
            "large": st.integers(0, 2**64 - 1).map(str),
            "fresh": st.booleans(),
            "colours": st.lists(_COLOURS, max_size=2),
            "rating": st.integers(-1000, 1000).map(lambda number: number / 8),
            "flags": st.dictionaries(st.sampled_from(["true", "false"]), _BYTES),
            "shades": st.dictionaries(st.integers(0, 2**64 - 1).map(str), _COLOURS, max_size=2),
        },
        optional={
            "name": _TEXTS,
            "price": _PRICES,
            "maybe": st.sampled_from(["RED", "BLUE"]),
            "inner": st.fixed_dictionaries(
                {"deep": st.lists(st.fixed_dictionaries({"a": st.integers(-5, 5)}), max_size=2)}
            ),
            **similar,
        },
    )


PRODUCTS = _products({"similar": _products({}), "country": _TEXTS}) | _products({"bought": _PRICES})


class Registry:
    """Schemas by ID, and which of them were looked up."""

    def __init__(self, *texts: str) -> None:
        self._schemas = {number: registered(text, number) for number, text in enumerate(texts, start=1)}
        self.looked_up: list[int] = []

    def __call__(self, schema_id: int) -> RegisteredSchema:
        self.looked_up.append(schema_id)
        if schema_id not in self._schemas:
            raise NotFoundError(f"Schema {schema_id} does not exist.")
        return self._schemas[schema_id]


def registered(text: str, schema_id: int = 1, **imports: str) -> RegisteredSchema:
    return RegisteredSchema(schema_id=schema_id, schema_type="PROTOBUF", schema=text, imports=imports)


def codec_of(text: str) -> ProtobufCodec:
    return ProtobufCodec(registered(text), Registry())


def codec_of_fields(fields: str, more: str = "") -> ProtobufCodec:
    return codec_of(f"{HEAD} message A {{ {fields} }} {more}")


def written(codec: ProtobufCodec, node: Any) -> Any:
    """Return *node* as it is read again after it was written."""
    value = codec.from_json(node)
    decoded = codec.decode(codec.encode(value))
    assert value == decoded or "NaN" in json.dumps(codec.to_json(value))
    assert codec.to_json(value) == codec.to_json(decoded)
    return codec.to_json(decoded)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(PRODUCTS)
def test_json_comes_back_as_it_was_written(node: dict[str, Any]) -> None:
    codec = codec_of(PRODUCT)
    value = codec.from_json(node)
    assert node == codec.to_json(value) == codec.to_json(codec.decode(codec.encode(value)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(PRODUCTS)
def test_bytes_and_json_are_those_of_protobufs_own_parser_and_printer(node: dict[str, Any]) -> None:
    codec = codec_of(PRODUCT)
    raw = codec.encode(codec.from_json(node))
    message = protobufs_own_class(PRODUCT, "shop.Product")()
    json_format.ParseDict(with_prefixes(node), message)
    assert b"\0\0\0\0\1\0" + message.SerializeToString(deterministic=True) == raw
    assert with_prefixes(codec.to_json(codec.decode(raw))) == json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True
    )


def protobufs_own_class(text: str, name: str) -> Any:
    pool = DescriptorPool()
    files = compile_protobuf(text)
    for file in (*files.imports, files.main):
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def with_prefixes(node: Any) -> Any:
    """Return *node* with the values of the enum as the .proto text has them."""
    names = {"UNSPECIFIED", "RED", "BLUE"}
    enums = {"colour", "colours", "maybe", "shades"}

    def prefixed(value: Any) -> Any:
        if isinstance(value, list):
            return [prefixed(item) for item in value]
        if isinstance(value, dict):
            return {key: prefixed(item) for key, item in value.items()}
        return f"COLOUR_{value}" if value in names else value

    return {
        key: prefixed(value) if key in enums else with_prefixes(value) if key == "similar" else value
        for key, value in node.items()
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(PRODUCTS)
def test_a_decoded_record_can_be_encoded_again(node: dict[str, Any]) -> None:
    codec = codec_of(PRODUCT)
    raw = codec.encode(codec.from_json(node))
    assert raw == codec.encode(codec.decode(raw))


def test_bytes_are_a_zero_byte_the_schema_id_the_first_message_and_the_record() -> None:
    codec = ProtobufCodec(registered(HEAD + "message A { int32 a = 1; }", 0x01020304), Registry())
    assert b"\x00\x01\x02\x03\x04\x00\x08\x01" == codec.encode(codec.from_json({"a": 1}))


def test_a_record_has_every_field_under_its_own_name() -> None:
    codec = codec_of(PRODUCT)
    assert {
        "id": 2**40,
        "name": None,
        "price": {"total": 0.0, "currency": None},
        "earlier": [],
        "colour": "UNSPECIFIED",
        "labels": {},
        "by_year": {},
        "raw_data": "",
        "country": None,
        "bought": None,
        "similar": None,
        "weight": 0.0,
        "large": 0,
        "fresh": False,
        "colours": ["RED"],
        "maybe": None,
        "rating": 0.0,
        "flags": {},
        "shades": {},
        "inner": None,
    } == codec.decode(codec.encode(codec.from_json({"id": 2**40, "price": {}, "colours": ["RED"]})))


def test_defaults_are_written_to_json_and_what_is_unset_is_not() -> None:
    codec = codec_of_fields("int64 some_id = 1; B b = 2; repeated B bs = 3; optional int32 o = 4;", "message B {}")
    assert {"someId": "0", "bs": []} == written(codec, {})
    assert {"someId": "0", "bs": [], "b": {}, "o": 0} == written(codec, {"b": {}, "o": 0})


def test_64_bit_numbers_are_text_wherever_they_are() -> None:
    codec = codec_of_fields("repeated int64 r = 1; map<int64, uint64> m = 2; oneof o { fixed64 f = 3; }")
    assert {"r": ["1", "2"], "m": {"-5": "6"}, "f": "0"} == written(codec, {"r": [1, "2"], "m": {"-5": 6}, "f": 0})
    assert {"r": [1, 2], "m": {"-5": 6}, "f": 0} == codec.from_json({"r": [1, "2"], "m": {"-5": 6}, "f": 0})


def test_both_names_of_a_field_are_read() -> None:
    codec = codec_of_fields('int32 created_at = 1; int32 other = 2 [json_name = "@other"];')
    assert {"createdAt": 5, "@other": 6} == written(codec, {"created_at": 5, "@other": 6})
    assert {"createdAt": 5, "@other": 6} == written(codec, {"createdAt": 5, "other": 6})


def test_null_is_absent() -> None:
    codec = codec_of_fields("int32 a = 1; optional string s = 2; repeated int32 r = 3; map<string, string> m = 4;")
    assert {"a": 0, "r": [], "m": {}} == written(codec, {"a": None, "s": None, "r": None, "m": None})


@pytest.mark.parametrize(
    ("type_", "given_", "expected"),
    [
        ("int32", "5", 5),
        ("int32", 5.0, 5),
        ("int32", "5e2", 500),
        ("int64", 5, "5"),
        ("uint64", 2**64 - 1, str(2**64 - 1)),
        ("fixed64", "7", "7"),
        ("sint32", -1, -1),
        ("float", 0.1, 0.1),
        ("float", 16777217, 16777216.0),
        ("float", "Infinity", "Infinity"),
        ("double", "0.5", 0.5),
        ("double", 1, 1.0),
        ("double", "NaN", "NaN"),
        ("bytes", "-_8", "+/8="),
        ("string", "ü", "ü"),
        ("C", "COLOUR_RED", "COLOUR_RED"),
        ("Colour", "COLOUR_RED", "RED"),
        ("Colour", 1, "RED"),
        ("Colour", 99, 99),
    ],
)
def test_json_may_say_a_value_in_several_ways(type_: str, given_: Any, expected: Any) -> None:
    prefixed = "enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }"
    codec = codec_of_fields(
        f"{type_} a = 1;", prefixed if type_ == "Colour" else "enum C { NONE = 0; COLOUR_RED = 1; }"
    )
    assert {"a": expected} == written(codec, {"a": given_})


@pytest.mark.parametrize(
    ("node", "cause", "mismatch"),
    [
        ({"a": "x"}, "field a is expected to be int32, a whole", (INT32, '"x"', ("a",))),
        ({"a": 2**31}, "Got: 2147483648", None),
        ({"a": True}, "field a is expected to be int32", None),
        ({"a": 5.5}, "field a is expected to be int32", None),
        ({"a": " 5"}, "field a is expected to be int32", None),
        ({"a": "1" * 5000}, "field a is expected to be int32", None),
        ({"l": "9223372036854775808"}, "field l is expected to be int64", None),
        ({"u": -1}, "field u is expected to be uint32", None),
        ({"s": 5}, "field s is expected to be string. Got: 5", ("string", "5", ("s",))),
        ({"s": "\ud800"}, "half a surrogate pair", None),
        ({"y": "*"}, "field y is expected to be bytes, as base64", None),
        ({"y": "A"}, "field y is expected to be bytes, as base64", None),
        ({"t": 1}, "field t is expected to be bool", None),
        ({"f": 1e39}, "field f is expected to be float", None),
        ({"f": True}, "field f is expected to be float", None),
        ({"d": "nan"}, "field d is expected to be double", None),
        ({"d": float("inf")}, "field d is expected to be double", None),
        ({"d": "1e999"}, "field d is expected to be double", None),
        ({"d": 10**400}, "field d is expected to be double", None),
        ({"e": "GREEN"}, "field e is expected to be enum shop.E (X, Y)", ("enum shop.E (X, Y)", '"GREEN"', ("e",))),
        ({"e": True}, "field e is expected to be enum", None),
        ({"b": 5}, "field b is expected to be message shop.B. Got: 5", ("message shop.B", "5", ("b",))),
        ({"bs": [{}, {"n": [{"n": "x"}]}]}, "field bs.1.n is expected to be message shop.B", None),
        (
            {"bs": [{}, {"n": {"x": 5}}]},
            "field bs.1.n.x is unknown to message shop.B",
            ("one of the fields n, c", "5", ("bs", 1, "n", "x")),
        ),
        ({"bs": [None]}, "field bs.0 is expected to be message shop.B", None),
        ({"bs": {}}, "field bs is expected to be list of message shop.B", None),
        ({"m": {"x": 1}}, "field m.x is expected to be int32", None),
        ({"m": {"1": None}}, "field m.1 is expected to be int32", None),
        ({"m": []}, "field m is expected to be map from int32", None),
        ({"x": None}, "field x is unknown to message shop.A", None),
        ({"o1": 1, "o2": 2}, "it has o2 and o1, of which one at most may be set", None),
        ({"some_name": 1, "someName": 2}, "which are one field", None),
    ],
)
@pytest.mark.parametrize("options", [{}, {"strict": False}, {"strict": True}])
def test_what_does_not_conform_is_refused_with_its_place(node: Any, cause: str, mismatch: Any, options: Any) -> None:
    codec = codec_of_fields(
        """int32 a = 1; int64 l = 2; uint32 u = 3; string s = 4; bytes y = 5; bool t = 6; float f = 7; double d = 8;
        E e = 9; B b = 10; repeated B bs = 11; map<int32, int32> m = 12; oneof o { int32 o1 = 13; int32 o2 = 14; }
        int32 some_name = 15;""",
        "message B { B n = 1; int32 c = 2; } enum E { X = 0; Y = 1; }",
    )
    with pytest.raises(InvalidValueError) as refused:
        codec.from_json(node, **options)
    assert str(refused.value).startswith("Data must be of type schema. Got: object ({")
    assert cause in str(refused.value)
    assert refused.value.mismatch is not None
    assert 1 == refused.value.mismatch.schema_id
    if mismatch is not None:
        assert Mismatch(*mismatch, schema_id=1) == refused.value.mismatch


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ([1], "Data must be of type schema. Got: array ([1])"),
        ("a", 'Data must be of type schema. Got: string ("a")'),
        (None, "Data must be of type schema. Got: null (null)"),
    ],
)
def test_what_is_no_object_is_refused(node: Any, expected: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        codec_of_fields("int32 a = 1;").from_json(node)
    assert expected == str(refused.value)


def test_a_key_text_is_read_as_json() -> None:
    codec = codec_of_fields("int32 a = 1;")
    assert {"a": 5} == codec.from_text(' {"a": 5} ')
    with pytest.raises(InvalidValueError, match="is not JSON"):
        codec.from_text("{a: 5}")


def test_equal_keys_are_equal_bytes_whatever_the_order_of_a_map() -> None:
    codec = codec_of_fields("map<string, int32> m = 1;")
    names = [str(n) for n in range(50)]
    forth, back = ({"m": dict.fromkeys(order, 1)} for order in (names, reversed(names)))
    assert codec.encode(codec.from_json(forth)) == codec.encode(codec.from_json(back))


def test_well_known_types_are_what_they_are_in_json() -> None:
    node = {
        "at": "2024-02-29T12:00:00.500Z",
        "span": "1.500s",
        "object": {"a": [1, None, "x", {"b": True}]},
        "value": "x",
        "list": [1, [None]],
        "mask": "a.b,cD",
        "any": {"@type": "type.googleapis.com/shop.A", "long": "5"},
        "empty": {},
        "long": 5,
        "bytes": "AA==",
        "texts": ["a", ""],
        "times": {"x": "1970-01-01T00:00:00Z"},
        "values": [None, 1],
    }
    codec = codec_of(KNOWN)
    assert node | {"long": "5", "nothing": None} == written(codec, node)
    assert {"texts": [], "times": {}, "nothing": None, "values": []} == written(codec, {})
    assert 5 == codec.from_json(node)["long"]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"at": "yesterday"}, "field at is no google.protobuf.Timestamp"),
        ({"at": "9999999-01-01T00:00:00Z"}, "field at is no google.protobuf.Timestamp"),
        ({"at": 5}, "field at is no google.protobuf.Timestamp"),
        ({"span": "5"}, "field span is no google.protobuf.Duration"),
        ({"object": []}, "field object is no google.protobuf.Struct"),
        ({"list": {}}, "field list is no google.protobuf.ListValue"),
        ({"any": {"@type": "x/unknown.Type"}}, "field any is no google.protobuf.Any"),
        ({"any": {"a": 5}}, "field any is no google.protobuf.Any"),
        ({"any": 5}, "field any is no google.protobuf.Any"),
        ({"long": "x"}, "field long is expected to be int64"),
        ({"texts": [None]}, "field texts.0 is expected to be string"),
        ({"times": {"x": 1}}, "field times.x is no google.protobuf.Timestamp"),
        ({"mask": 5}, "field mask is no google.protobuf.FieldMask"),
    ],
)
def test_json_that_is_no_well_known_type_is_refused(node: Any, expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        codec_of(KNOWN).from_json(node)


def test_each_record_is_read_with_the_schema_that_it_was_written_with() -> None:
    registry = Registry(HEAD + "message A { int32 a = 1; }", HEAD + "message A { int64 a = 1; bytes b = 2; }")
    older, newer = (ProtobufCodec(registry(schema_id), registry) for schema_id in (1, 2))
    raw = newer.encode(newer.from_json({"a": 1, "b": "/w=="}))
    assert {"a": 1, "b": "/w=="} == older.decode(raw)
    assert {"a": "1", "b": "/w=="} == older.to_json(older.decode(raw))
    assert {"a": 5} == older.to_json(older.from_json({"a": 5}))


def test_a_schema_is_looked_up_once() -> None:
    registry = Registry(HEAD + "message A { int32 a = 1; }")
    codec = ProtobufCodec(registered(HEAD + "message B { int32 b = 1; }", 2), registry)
    for number in range(1, 4):
        assert {"a": number} == codec.decode(bytes([0, 0, 0, 0, 1, 0, 8, number]))
    assert [1] == registry.looked_up


def test_a_schema_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="Schema 7 does not exist"):
        codec_of_fields("").decode(b"\0\0\0\0\7\0")


def test_a_schema_without_a_message_writes_nothing() -> None:
    with pytest.raises(InvalidInputError, match="has no message"):
        codec_of(HEAD + "enum E { A = 0; }").from_json({})


def test_imports_come_with_the_schema() -> None:
    schema = registered(
        'syntax = "proto3"; import "b.proto"; message A { b.B b = 1; }',
        **{"b.proto": 'syntax = "proto3"; package b; message B { int32 x = 1; }'},
    )
    codec = ProtobufCodec(schema, Registry())
    assert {"b": {"x": 5}} == written(codec, {"b": {"x": 5}})


def test_proto2_is_read_and_written() -> None:
    codec = codec_of(
        """package old; message A { required int32 a = 1; optional int32 b = 2 [default = 7]; optional E e = 3;
        repeated group Part = 4 { optional int32 n = 1; } } enum E { ONE = 1; TWO = 2; }"""
    )
    assert {"a": 5, "e": "TWO", "part": [{"n": 1}]} == written(codec, {"a": 5, "e": 2, "part": [{"n": 1}]})
    with pytest.raises(InvalidValueError, match=r"cannot be written with schema 1: .*a"):
        codec.encode(codec.from_json({}))
    with pytest.raises(InvalidValueError, match=r"enum old\.E"):
        codec.from_json({"e": 99})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"\x00", {"price": None}),
        (b"\x02\x00", {"price": None}),
        (b"\x02\x02", {"total": 5}),
        (b"\x04\x00\x00", {"a": 5}),
        (b"\x06\x00\x02\x00", {"b": 5}),
        (b"\x82\x00\x82\x00", {"total": 5}),
    ],
)
def test_the_frame_names_the_message(frame: bytes, expected: Any) -> None:
    codec = codec_of(
        HEAD
        + """message A { Price price = 2; message I { int32 a = 1; } message J { message K { int32 b = 1; } } }
        message Price { int32 total = 1; }"""
    )
    assert expected == codec.decode(b"\0\0\0\0\1" + frame + b"\x08\x05")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "expected a zero byte"),
        (b"\0\0\0\0\1", "expected a zero byte"),
        (b"\1\0\0\0\1\0", "expected a zero byte"),
        (b'{"a": 5}', "expected a zero byte"),
        (b"\0\0\0\0\1\1", "its frame has -1 indexes"),
        (b"\0\0\0\0\1\x80", "do not end"),
        (b"\0\0\0\0\1" + b"\x80" * 100, "do not end"),
        (b"\0\0\0\0\1\x80\0", "its frame has 0 indexes"),
        (b"\0\0\0\0\1\xfe\xff\xff\xff\x0f", "indexes of messages"),
        (b"\0\0\0\0\1\x02", "do not end"),
        (b"\0\0\0\0\1\x02\x01", r"no message \[-1\]"),
        (b"\0\0\0\0\1\x02\x20", r"no message \[16\]"),
        (b"\0\0\0\0\1\x04\0\x10", r"no message \[0, 8\]"),
        (b"\0\0\0\0\1\x04\0\0", r"no message \[0, 0\]"),
        (b"\0\0\0\0\1\0\x08", "DecodeError"),
        (b"\0\0\0\0\1\0\x12\x05a", "DecodeError"),
        (b"\0\0\0\0\1\0\x12\x01\xff", "DecodeError"),
    ],
)
def test_bytes_that_are_no_record_are_refused(raw: bytes, expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        codec_of_fields("int32 a = 1; string b = 2; map<string, int32> c = 3;").decode(raw)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_refused(raw: bytes) -> None:
    for text in (PRODUCT, KNOWN):
        codec = codec_of(text)
        for frame in (b"\0\0\0\0\1", b"\0\0\0\0\1\0"):
            with suppress(InvalidValueError):
                json.dumps(codec.to_json(codec.decode(frame + raw)), allow_nan=False)


@pytest.mark.parametrize("value", [{"x": 1}, {"a": "x"}, {"a": 2**70}, {"a": True}, None, 5, {"e": "NO"}, {"b": "*"}])
@pytest.mark.parametrize("fields", ["int32 a = 1;", "int32 a = 1; E e = 2; bytes b = 3;"])
def test_a_value_that_is_no_record_of_the_schema_is_not_encoded(value: Any, fields: str) -> None:
    with pytest.raises(InvalidValueError, match="cannot be written with schema 1"):
        codec_of_fields(fields, "enum E { X = 0; }").encode(value)


def nested(levels: int, innermost: Any) -> Any:
    node = innermost
    for _ in range(levels):
        node = {"n": node}
    return node


@pytest.mark.parametrize("fields", ["A n = 1;", "A n = 1; bytes b = 2;"])
def test_levels_without_end_are_refused(fields: str) -> None:
    codec = codec_of_fields(fields)
    assert nested(90, {}) == nested_part(written(codec, nested(90, {})))
    for levels in (101, 200, 400, 5000, 100_000):
        with pytest.raises(InvalidValueError, match=r"deep|MaxDepth"):
            codec.encode(codec.from_json(nested(levels, {})))
    raw = b""
    for _ in range(200):
        raw = b"\x0a" + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw
    with pytest.raises(InvalidValueError, match="MaxDepth"):
        codec.decode(b"\0\0\0\0\1\0" + raw)


def test_a_refusal_of_a_deep_node_is_a_refusal() -> None:
    codec = codec_of_fields("int32 a = 1; A n = 2;")
    deep = nested(5000, {})
    lists: Any = []
    for _ in range(5000):
        lists = [lists]
    for node in ({"a": "x", "n": deep}, {"unknown": deep}, {"a": deep}, lists):
        with pytest.raises(InvalidValueError, match="deep"):
            codec.from_json(node)


def nested_part(node: dict[str, Any]) -> dict[str, Any]:
    return {"n": nested_part(node["n"])} if "n" in node else {}


def test_an_object_without_end_is_refused() -> None:
    codec = codec_of(KNOWN)
    for levels in (40, 90, 200, 5000):
        with pytest.raises(InvalidValueError, match=r"deep|MaxDepth"):
            codec.encode(codec.from_json({"object": nested(levels, {})}))


def test_an_any_in_an_any_without_end_is_refused() -> None:
    raw = b""
    name = b"type.googleapis.com/google.protobuf.Any"
    for _ in range(3000):
        raw = b"\x0a" + bytes([len(name)]) + name + b"\x12" + varint(len(raw)) + raw
    with pytest.raises(InvalidValueError, match="deep"):
        codec_of(KNOWN).decode(b"\0\0\0\0\1\0\x3a" + varint(len(raw)) + raw)


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])
