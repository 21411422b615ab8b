from typing import Any

import pytest

from core.errors import InvalidInputError, InvalidSdlError
from core.protobuf import ProtobufCodec
from core.protobuf_compiler import compile_protobuf
from core.protobuf_schema import to_protobuf
from core.registered_schema import RegisteredSchema
from core.scalar_values import scalar_values

CHAIN = " ".join(f"type T{n} {{ a: T{n + 1} }}" for n in range(500))


def converted(sdl: str, root: str, *, legacy: bool = False) -> str:
    return to_protobuf(sdl, root, "shop", legacy=legacy)


def field_of(graphql_type: str, more: str = "", *, legacy: bool = False) -> str:
    lines = converted(f"type Root {{ a: {graphql_type} }} {more}", "Root", legacy=legacy).splitlines()
    return lines[lines.index("message Root {") + 1].strip()


def codec_of(sdl: str, root: str, *, legacy: bool = False) -> ProtobufCodec:
    text = converted(sdl, root, legacy=legacy)

    def no_other(schema_id: int) -> RegisteredSchema:
        raise AssertionError(schema_id)

    return ProtobufCodec(RegisteredSchema(schema_id=1, schema_type="PROTOBUF", schema=text), no_other)


def written(codec: ProtobufCodec, node: Any) -> Any:
    decoded = codec.decode(codec.encode(codec.from_json(node)))
    assert codec.from_json(node) == decoded
    return decoded


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("Int", "int32"),
        ("Short", "int32"),
        ("Long", "int64"),
        ("Float", "double"),
        ("String", "string"),
        ("ID", "string"),
        ("Char", "string"),
        ("Boolean", "bool"),
        ("Bytes", "bytes"),
        ("DateTime", ".google.protobuf.Timestamp"),
        ("Date", "string"),
        ("Time", "string"),
        ("UUID", "string"),
        ("Decimal", "string"),
    ],
)
def test_scalars_have_their_protobuf_type_declared_or_not(scalar: str, expected: str) -> None:
    assert f"{expected} a = 1;" == field_of(f"{scalar}!") == field_of(f"{scalar}!", f"scalar {scalar}")


@pytest.mark.parametrize(
    ("graphql_type", "expected", "legacy"),
    [
        ("Int", "optional int32", "int32"),
        ("Int!", "int32", "int32"),
        ("[Int]", "repeated int32", "repeated int32"),
        ("[Int!]!", "repeated int32", "repeated int32"),
        ("T", "T", "T"),
        ("T!", "T", "T"),
        ("[T]", "repeated T", "repeated T"),
        ("E", "optional E", "optional E"),
        ("E!", "E", "E"),
        ("[E!]", "repeated E", "repeated E"),
        ("Float", "optional double", "float"),
        ("Date", "optional string", "string"),
        ("DateTime", ".google.protobuf.Timestamp", ".google.protobuf.Timestamp"),
        ("[DateTime!]!", "repeated .google.protobuf.Timestamp", "repeated .google.protobuf.Timestamp"),
    ],
)
def test_what_may_be_null_is_optional_where_absent_is_not_seen_otherwise(
    graphql_type: str, expected: str, legacy: str
) -> None:
    more = "type T { a: Int } enum E { X }"
    assert f"{expected} a = 1;" == field_of(graphql_type, more)
    assert f"{legacy} a = 1;" == field_of(graphql_type, more, legacy=True)


def test_a_schema_has_its_root_first_and_every_other_type_once() -> None:
    sdl = '''
    "Where it is sold."
    type Shop { name: String! }
    """
    A book.

    Printed.
    """
    type Book {
      title: String!
      "How many"
      pages: Int
      tags: [String!]
      state: State!
      shop: Shop
      other: [Shop!]!
      sequel: Book
    }
    enum State { OPEN "Gone." SOLD_OUT }
    type Unreached { a: Date }
    '''
    assert """syntax = "proto3";

package shop;

// A book.
//
// Printed.
message Book {
  string title = 1;
  // How many
  optional int32 pages = 2;
  repeated string tags = 3;
  State state = 4;
  Shop shop = 5;
  repeated Shop other = 6;
  Book sequel = 7;
}

enum State {
  STATE_UNSPECIFIED = 0;
  STATE_OPEN = 1;
  // Gone.
  STATE_SOLD_OUT = 2;
}

// Where it is sold.
message Shop {
  string name = 1;
}
""" == converted(sdl, "Book")


def test_values_of_scalars_survive_storage_as_they_are_served() -> None:
    fields = {
        "moment": ("DateTime", "2026-11-24T12:34:56.123456Z"),
        "day": ("Date", "2026-11-24"),
        "clock": ("Time", "12:34:56.789"),
        "id": ("UUID", "123e4567-e89b-12d3-a456-426614174000"),
        "raw": ("Bytes", "aGk="),
        "sum": ("Decimal", "19.90"),
    }
    sdl = " ".join(f"{name}: {scalar}" for name, (scalar, _) in fields.items())
    codec = codec_of(f"type Root {{ {sdl} never: DateTime }}", "Root")
    sent = {name: scalar_values(scalar).parse_value(value) for name, (scalar, value) in fields.items()}

    decoded = written(codec, sent)

    assert {name: value for name, (_, value) in fields.items()} == {
        name: scalar_values(scalar).serialize(decoded[name]) for name, (scalar, _) in fields.items()
    }
    assert decoded["never"] is None


def test_a_legacy_schema_goes_by_the_alphabet() -> None:
    sdl = "type Book { title: String!  pages: Int  tags: [String!] kind: Kind } enum Kind { RED BLUE }"
    assert """message Book {
  optional Kind kind = 1;
  int32 pages = 2;
  repeated string tags = 3;
  string title = 4;
}

enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_BLUE = 1;
  KIND_RED = 2;
}
""" == converted(sdl, "Book", legacy=True).partition("package shop;\n\n")[2]


@pytest.mark.parametrize(
    ("sdl", "root"),
    [
        ("type message { a: string! b: [message] string: Int } type string { package: Int }", "message"),
        ("type A { B: B  b: [B!] }  type B { A: A }", "A"),
        ("type shop { shop: shop }", "shop"),
        ("type A { option: Int reserved: Int optional: Int oneof: Int message: Int map: Int }", "A"),
        ('"a */ \\u0000 \\u2028 b \\\\" type A { "// \\t" a: Int }', "A"),
        ("type A { _id: Int  __x: Int }", "A"),
        ("type A { a: E } enum E { message _x __ }", "A"),
        (f"type A {{ {' '.join(f'f{n}: Int' for n in range(1000))} }}", "A"),
        (f"type A {{ a: T0 }} {CHAIN} type T500 {{ a: A }}", "A"),
        ("type A", "A"),
    ],
)
def test_odd_names_and_texts_are_kept(sdl: str, root: str) -> None:
    text = converted(sdl, root)
    assert root == compile_protobuf(text).main.message_type[0].name
    assert text == converted(sdl, root)


def test_a_type_of_the_user_goes_before_an_extra_scalar() -> None:
    assert "Char a = 1;" == field_of("Char!", "type Char { code: Int! }")


@pytest.mark.parametrize(
    ("graphql_type", "definition", "expected"),
    [
        ("Money", "scalar Money", "Scalar Money not supported. Use one of Int"),
        ("[BigInt!]!", "scalar BigInt", "Scalar BigInt not supported"),
        ("I", "interface I { i: Int }", "Type I not recognized: it is an interface"),
        ("In", "input In { i: Int }", "Type In not recognized: it is an input"),
        (
            "U",
            "union U = Root",
            "Type U not recognized: it is a union, which only Avro can store. Use a nullable field",
        ),
        ("Missing", "", "Type Missing not recognized: nothing defines it"),
        ("[[Int!]]!", "", "Field Root.a is a list of lists"),
        ("[[Root]]", "", "Field Root.a is a list of lists"),
        ("E", "enum E { ON unspecified }", "Enum E has unspecified, which is one name with UNSPECIFIED"),
        ("E", "enum E { A_B AB }", "Enum E has AB, which is one name with A_B"),
        ("E", "enum E { A }  type E_A { a: Int }", None),
        ("T", "type T { e: E E: E_A } enum E { A } type E_A { a: Int }", "The value A of enum E and the type E_A"),
        ("T", "type T { a: A b: A_B } enum A { B_C } enum A_B { C }", "are both A_B_C in Protobuf"),
        ("T", "type T { user_id: Int userId: Int }", "Type T has the fields user_id and userId, which are both userId"),
        ("T", "type T { _: Int }", "Field T._ has no name in the JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused(graphql_type: str, definition: str, expected: str | None) -> None:
    if expected is None:
        assert field_of(graphql_type, definition)
        return
    with pytest.raises(InvalidInputError) as refused:
        field_of(graphql_type, definition)
    assert expected in str(refused.value)
    assert "protoc" not in str(refused.value)


@pytest.mark.parametrize(
    ("sdl", "expected"),
    [
        ("type B { a: Int }", "Type A does not exist"),
        ("enum A { X }", "Type A is no object type"),
        ("scalar A", "Scalar A not supported"),
        ("interface A { a: Int }", "Type A not recognized"),
        ("type A { a: Int }  extend type A { b: Int }", "`extend` of A"),
        (f"type A {{ a: {'[' * 3000}Int{']' * 3000} }}", "nested too deep"),
    ],
)
def test_a_root_that_cannot_be_stored_is_refused(sdl: str, expected: str) -> None:
    with pytest.raises(InvalidInputError, match=expected):
        converted(sdl, "A")


def test_a_scalar_is_no_root() -> None:
    with pytest.raises(InvalidInputError, match="Type Int is no object type"):
        converted("scalar Int", "Int")


def test_sdl_that_is_no_graphql_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidSdlError, match="line 2, column 3"):
        converted("type A {\n  !\n}", "A")


def test_null_and_zero_differ() -> None:
    codec = codec_of("type A { n: Int  s: String  b: Boolean  e: E  t: A } enum E { X }", "A")
    assert {"n": None, "s": None, "b": None, "e": None, "t": None} == written(codec, {"n": None, "e": None, "t": None})
    zeros = {"n": 0, "s": "", "b": False, "e": "X", "t": {"n": None, "s": None, "b": None, "e": None, "t": None}}
    assert zeros == written(codec, {"n": 0, "s": "", "b": False, "e": "X", "t": {}})


def test_enum_values_have_their_graphql_names() -> None:
    sdl = (
        "type A { one: OrderState!  maybe: OrderState  many: [OrderState!] } enum OrderState { PAID ORDER_STATE_PAID }"
    )
    codec = codec_of(sdl, "A")
    node = {"one": "PAID", "maybe": "ORDER_STATE_PAID", "many": ["PAID", "ORDER_STATE_PAID"]}
    assert node == written(codec, node) == codec.to_json(written(codec, node))
    assert {"one": "PAID", "maybe": None, "many": []} == written(codec, {"one": 1})
    assert {"one": "PAID", "maybe": None, "many": []} == written(codec, {"one": 1, "maybe": "UNSPECIFIED"})
    assert b"\0\0\0\0\1\0\x08\2" == codec.encode(codec.from_json({"one": "ORDER_STATE_PAID"}))


def test_both_names_of_an_enum_value_are_read() -> None:
    codec = codec_of("type A { colour: Colour! } enum Colour { RED }", "A")
    assert {"colour": "RED"} == written(codec, {"colour": "RED"}) == written(codec, {"colour": "COLOUR_RED"})


def test_a_legacy_record_without_zeros_reads_as_zeros() -> None:
    codec = codec_of("type A { n: Int  s: String e: E f: Float } enum E { X }", "A", legacy=True)
    assert {"e": None, "f": 0.0, "n": 0, "s": ""} == codec.decode(b"\0\0\0\0\1\0")


def test_a_converted_schema_takes_json_of_its_type() -> None:
    sdl = "type A { id: ID!  price: Float  b: [B!]! }  type B { at: Long!  a: A }"
    codec = codec_of(sdl, "A")
    node = {"id": "x", "b": [{"at": 2**40}, {"at": 1, "a": {"id": "y", "b": [], "price": 0.1}}]}
    assert {
        "id": "x",
        "price": None,
        "b": [{"at": 2**40, "a": None}, {"at": 1, "a": {"id": "y", "b": [], "price": 0.1}}],
    } == written(codec, node)
    assert {"id": "x", "b": [{"at": "1"}]} == codec.to_json(written(codec, {"id": "x", "b": [{"at": 1}]}))
