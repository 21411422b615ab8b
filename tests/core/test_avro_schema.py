import json
from typing import Any

import pytest

from core.avro import AvroCodec
from core.avro_schema import to_avro
from core.avro_types import parse_avro
from core.errors import InvalidInputError, InvalidSdlError
from core.registered_schema import RegisteredSchema
from core.scalar_values import scalar_values


def no_other(schema_id: int) -> RegisteredSchema:
    raise AssertionError(schema_id)


CHAIN = " ".join(f"type T{n} {{ a: T{n + 1} }}" for n in range(3000))


def converted(sdl: str, root: str) -> Any:
    return json.loads(to_avro(sdl, root, "shop"))


def field_type(graphql_type: str, more: str = "") -> Any:
    return converted(f"type Root {{ a: {graphql_type} }} {more}", "Root")["fields"][0]["type"]


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("Int", "int"),
        ("Short", "int"),
        ("Long", "long"),
        ("Float", "double"),
        ("String", "string"),
        ("ID", "string"),
        ("Char", "string"),
        ("Boolean", "boolean"),
        ("Bytes", "bytes"),
        ("DateTime", {"type": "long", "logicalType": "timestamp-micros"}),
        ("Date", {"type": "int", "logicalType": "date"}),
        ("Time", {"type": "long", "logicalType": "time-micros"}),
        ("UUID", {"type": "string", "logicalType": "uuid"}),
        ("Decimal", "string"),
    ],
)
def test_scalars_have_their_avro_type_declared_or_not(scalar: str, expected: Any) -> None:
    assert expected == field_type(f"{scalar}!")
    assert expected == field_type(f"{scalar}!", f"scalar {scalar}")


@pytest.mark.parametrize(
    ("graphql_type", "expected"),
    [
        ("Int", ["null", "int"]),
        ("Int!", "int"),
        ("[Int]!", {"type": "array", "items": ["null", "int"]}),
        ("[Int!]", ["null", {"type": "array", "items": "int"}]),
        ("[[Int!]]!", {"type": "array", "items": ["null", {"type": "array", "items": "int"}]}),
    ],
)
def test_null_is_allowed_at_each_level_that_allows_it(graphql_type: str, expected: Any) -> None:
    assert expected == field_type(graphql_type)


def test_fields_keep_their_order_and_nullable_ones_may_be_absent() -> None:
    assert {
        "type": "record",
        "name": "Book",
        "namespace": "shop",
        "fields": [
            {"name": "title", "type": "string"},
            {"name": "pages", "type": ["null", "int"], "default": None},
            {"name": "tags", "type": ["null", {"type": "array", "items": "string"}], "default": None},
        ],
    } == converted("type Book { title: String!  pages: Int  tags: [String!] }", "Book")


def test_the_text_is_compact_and_always_the_same() -> None:
    sdl = "type A { a: Int }"
    fields = '[{"name":"a","type":["null","int"],"default":null}]'
    expected = f'{{"type":"record","name":"A","namespace":"n","fields":{fields}}}'
    assert expected == to_avro(sdl, "A", "n") == to_avro(sdl, "A", "n")


def test_a_type_is_defined_once_and_then_named() -> None:
    schema = converted(
        """
        type Purchase { product: Product!  price: Price  state: State!  earlier: State }
        type Product { price: Price! }
        type Price { total: Float! }
        enum State { OPEN DONE }
        """,
        "Purchase",
    )
    product, price, state, earlier = (field["type"] for field in schema["fields"])
    assert ("Price", "shop") == (
        product["fields"][0]["type"]["name"],
        product["fields"][0]["type"]["namespace"],
    )
    assert ["null", "shop.Price"] == price
    assert {"type": "enum", "name": "State", "namespace": "shop", "symbols": ["OPEN", "DONE"]} == state
    assert ["null", "shop.State"] == earlier


LEGACY = """
type Purchase { total: Float!  id: ID  state: State  items: [Item!] }
type Item { z: [Float]  a: State! }
enum State { OPEN DONE }
"""


def test_legacy_schemas_have_short_floats_and_the_order_of_the_alphabet_at_every_level() -> None:
    schema = json.loads(to_avro(LEGACY, "Purchase", "shop", legacy=True))
    assert ["id", "items", "state", "total"] == [field["name"] for field in schema["fields"]]
    assert "float" == schema["fields"][3]["type"]
    item = schema["fields"][1]["type"][1]["items"]
    assert ["a", "z"] == [field["name"] for field in item["fields"]]
    assert ["DONE", "OPEN"] == item["fields"][0]["type"]["symbols"]
    assert ["null", {"type": "array", "items": ["null", "float"]}] == item["fields"][1]["type"]
    assert ["null", "shop.State"] == schema["fields"][2]["type"]
    assert [None, None, None] == [field["default"] for field in schema["fields"][:3]]


def test_the_order_of_the_sdl_does_not_matter_to_legacy_schemas() -> None:
    turned = "type A { c: E  b: Int  a: Float }  enum E { Y X }"
    straight = "enum E { X Y }  type A { a: Float  b: Int  c: E }"
    assert to_avro(straight, "A", "n", legacy=True) == to_avro(turned, "A", "n", legacy=True)
    assert to_avro(straight, "A", "n") != to_avro(turned, "A", "n")


def test_a_recursive_type_names_itself() -> None:
    schema = converted("type Person { name: String!  friends: [Person!]  boss: Person }", "Person")
    assert ["null", {"type": "array", "items": "shop.Person"}] == schema["fields"][1]["type"]
    assert ["null", "shop.Person"] == schema["fields"][2]["type"]


def test_types_that_refer_to_each_other_end() -> None:
    schema = converted("type A { b: B! }  type B { as: [A!]! }", "A")
    assert {"type": "array", "items": "shop.A"} == schema["fields"][0]["type"]["fields"][0]["type"]


def test_types_that_refer_to_each_other_through_lists_take_json() -> None:
    schema = to_avro("type A { bs: [B!]  n: Int! }  type B { as: [[A]!]!  twin: B }", "A", "shop")
    registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema)
    codec = AvroCodec(registered, lambda _: registered)
    node = {"bs": [{"as": [[{"bs": None, "n": 1}, None]], "twin": {"as": [], "twin": None}}], "n": 2}
    assert node == codec.to_json(codec.decode(codec.encode(codec.from_json(node))))


def test_descriptions_become_docs() -> None:
    schema = converted(
        """
        "A thing."
        type A { "Its size." size: Int! state: S! }
        "On or off."
        enum S { ON OFF }
        """,
        "A",
    )
    assert "A thing." == schema["doc"]
    assert "Its size." == schema["fields"][0]["doc"]
    assert "On or off." == schema["fields"][1]["type"]["doc"]


A_AND_B = "type A { a: Int! } type B { b: Int! } union U = A | B union One = A"
A_RECORD = {"type": "record", "name": "A", "namespace": "shop", "fields": [{"name": "a", "type": "int"}]}
B_RECORD = {"type": "record", "name": "B", "namespace": "shop", "fields": [{"name": "b", "type": "int"}]}


@pytest.mark.parametrize(
    ("graphql_type", "expected"),
    [
        ("U!", [A_RECORD, B_RECORD]),
        ("U", ["null", A_RECORD, B_RECORD]),
        ("[U]!", {"type": "array", "items": ["null", A_RECORD, B_RECORD]}),
        ("One!", A_RECORD),
        ("One", ["null", A_RECORD]),
    ],
)
def test_a_union_of_types_is_a_union_of_records(graphql_type: str, expected: Any) -> None:
    assert expected == field_type(graphql_type, A_AND_B)


def test_a_union_of_types_takes_each_of_them() -> None:
    schema = to_avro(f"type Root {{ one: U! many: [U!]! }} {A_AND_B}", "Root", "shop")
    codec = AvroCodec(RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema), no_other)
    node = {"one": {"b": 1}, "many": [{"a": 1}, {"b": 2}]}

    assert node == codec.to_json(codec.decode(codec.encode(codec.from_json(node))))


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
    schema = to_avro(f"type Root {{ {sdl} }}", "Root", "shop")
    codec = AvroCodec(RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema), no_other)
    sent = {name: scalar_values(scalar).parse_value(value) for name, (scalar, value) in fields.items()}

    decoded = codec.decode(codec.encode(codec.from_json(sent)))

    for served in (decoded, codec.to_json(decoded)):
        assert {name: value for name, (_, value) in fields.items()} == {
            name: scalar_values(scalar).serialize(served[name]) for name, (scalar, _) in fields.items()
        }


def test_types_that_are_not_reached_do_not_matter() -> None:
    assert "A" == converted("type A { a: Int }  interface I { i: Int }  union U = A  input In { i: Int }", "A")["name"]


def test_a_type_of_the_user_goes_before_an_extra_scalar() -> None:
    assert "record" == field_type("Char!", "type Char { code: Int! }")["type"]


@pytest.mark.parametrize(
    ("graphql_type", "definition", "expected"),
    [
        (
            "[Money!]!",
            "scalar Money",
            (
                "Scalar Money not supported. Use one of Int, Short, Long, Float, String, ID, Char, Boolean, Bytes, "
                "DateTime, Date, Time, UUID, Decimal."
            ),
        ),
        (
            "Node",
            "interface Node { i: Int }",
            (
                "Type Node not recognized: it is an interface, which cannot be stored. "
                "Use the object types that implement it."
            ),
        ),
        (
            "In",
            "input In { i: Int }",
            (
                "Type In not recognized: it is an input, which is for arguments only. "
                "Use an object type with the same fields."
            ),
        ),
        (
            "Missing",
            "",
            "Type Missing not recognized: nothing defines it. Define it as an object type or an enum.",
        ),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_way_out(graphql_type: str, definition: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        field_type(graphql_type, definition)
    assert expected == str(refused.value)


@pytest.mark.parametrize(
    ("sdl", "expected"),
    [
        ("type B { a: Int }", "Type A does not exist"),
        ("enum A { X }", "Type A is no object type"),
        ("scalar Int scalar A", "Scalar A not supported"),
        ("interface A { a: Int }", "Type A not recognized"),
        ("type A { a: A! }", "always holds another one of itself: shop.A"),
        ("type A { b: B! }  type B { a: A! }", "always holds another one of itself: shop.A"),
        ("type A { a: Int }  extend type A { b: Int }", "`extend` of A"),
        (f"type A {{ a: {'[' * 3000}Int{']' * 3000} }}", "nested too deep"),
        (f"type A {{ a: T0 }} {CHAIN} type T3000 {{ a: Int }}", "nested too deep"),
    ],
)
def test_a_root_that_cannot_be_stored_is_refused(sdl: str, expected: str) -> None:
    with pytest.raises(InvalidInputError, match=expected):
        converted(sdl, "A")


def test_sdl_that_is_no_graphql_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidSdlError, match="line 2, column 3") as refused:
        converted("type A {\n  !\n}", "A")
    assert (2, 3) == (refused.value.problems[0].line, refused.value.problems[0].column)


def test_a_converted_schema_takes_json_of_its_type() -> None:
    sdl = "type A { id: ID!  price: Float  b: [B!]! }  type B { at: Long!  a: A }"
    schema = to_avro(sdl, "A", "shop")
    assert "record" == parse_avro(schema, "S").kind("shop.B")
    registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema)
    codec = AvroCodec(registered, lambda _: registered)
    node = {"id": "x", "b": [{"at": 2**40}, {"at": 1, "a": {"id": "y", "b": [], "price": 0.1}}]}
    assert {
        "id": "x",
        "price": None,
        "b": [{"at": 2**40, "a": None}, {"at": 1, "a": {"id": "y", "b": [], "price": 0.1}}],
    } == codec.to_json(codec.decode(codec.encode(codec.from_json(node))))
