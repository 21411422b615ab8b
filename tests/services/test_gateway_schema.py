from typing import Any

import pytest
from graphql import (
    GraphQLSchema,
    build_client_schema,
    introspection_from_schema,
    is_introspection_type,
    print_schema,
    print_type,
)

from core.rest_settings import RestSettings
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from services.gateway.rest_client import RestClient
from services.gateway.schema import build
from services.gateway.writing import READ_ONLY
from tests.services.memory_mirrors import MemoryMirrors

PLAIN = """
type Query {
  findProduct(productId: Long): Product @topic(name: "products", keyArgument: "productId")
  allProducts: [Product!]! @topic(name: "products")
}
type Product { id: Long!  name: String  price: Float  sold: Boolean  code: ID  size: Int }
"""

EVERY_KIND = '''
"""
Everything that can be asked,
in two lines.
"""
type Query {
  "One field"
  search(
    "Where to begin"
    filter: Filter = { from: 3, kinds: [NEW] }
    ids: [[Int!]!] = [[1, 2], []]
    name: String = "a \\"b\\""
    ratio: Float = 1.5
    deep: Boolean! = true
    none: Int = null
    long: Long = 5000000000
  ): [[Product!]]!
  old: Int @deprecated(reason: "use search")
}
input Filter { from: Int = 1  kinds: [Kind!] = [OLD]  also: Filter  gone: Int @deprecated }
enum Kind { NEW "Used before" OLD GONE @deprecated(reason: "never sold") }
type Product { parent: Product  kind(as: Kind = NEW): Kind!  id: ID! }
type NotReachable { a: Int }
input NotReachableInput { a: Int }
enum NotReachableEnum { A }
type Mutation {
  "Writes"
  setKind(key: ID!, kind: Kind!): Kind @topic(name: "kinds")
  "Writes more"
  setMore("Which" key: [ID!]!, "What" value: [Filter!]!): [Product] @topic(name: "more") @deprecated(reason: "no")
}
'''

ABSTRACT = """
type Query { node(id: ID): Node found: [Found!] dated: Dated @deprecated }
type Late implements Node & Dated { on: Date  z: Int  id: ID!  parent: Node }
"What has an id"
interface Node { "The id" id: ID!  parent: Node }
interface Dated implements Node { parent: Node @deprecated(reason: "no")  id: ID!  on: Date }
interface Unused { a: Int }
"Whatever was found"
union Found = Late | Early
union Never = Early
type Early implements Node { parent: Late  id: ID! }
"""

SCALARS = """
type Query { a(at: DateTime = "2026-11-24t12:00:00z", sum: Decimal = 1.10, big: BigInt = 123456789012345678901): Any
  b(filter: Filter = {}): [Money!]  c: Sku  d: UUID  e: Bytes  f: Time  g: Date  h: JSON  i: Long }
input Filter { sum: Decimal = 2.50  inner: Inner = {} }
input Inner { big: Long = "17"  any: Any = "x" }
scalar Any
"Amount and currency"
scalar Money @specifiedBy(url: "https://money")
scalar Sku
scalar DateTime @specifiedBy(url: "https://own")
scalar Never
"""

HARD_NAMES = """
type Query {
  from(self: Int, info: Int, parent: Int, root: Int, cls: Int, name: Int, type_: Int): class
  class: Meta
  is_type_of: Int
  Meta: Int
  resolve_from: Int
  _meta: Int
  camelCase: Int
  snake_case: Int
  _1: Int
}
type class { None: Int  True: String  def: Int  interfaces: Int  __init: Enum }
interface Interface { resolve_type: Int  Meta: Union }
type Implementing implements Interface { Meta: Union  resolve_type: Int  is_type_of: Int }
union Union = class | Implementing
scalar Scalar
input Scalars { serialize: Scalar  parse_value: Scalar }
type Meta { Meta: Meta }
type ObjectType { a: Int }
type Field { a: Int }
enum Enum { mro name value _meta _x_ get_type None description }
enum PyEnum { A }
enum EnumMeta { A }
input from { from: Int  class: Int  Meta: from  items: Int  keys: Int  _meta: PyEnum = A }
""".replace("__init", "init")

SCHEMAS = {
    "plain": PLAIN,
    "every kind": EVERY_KIND,
    "hard names": HARD_NAMES,
    "interfaces and unions": ABSTRACT,
    "scalars": SCALARS,
    "blank": "",
}


def schema_of(sdl: str) -> GraphQLSchema:
    schema = build(parse_gateway_schema(sdl), READ_ONLY, RestClient(RestSettings())).graphql_schema
    assert isinstance(schema, GraphQLSchema)
    return schema


def types_of(schema: GraphQLSchema) -> dict[str, str]:
    """Return the text of every type of *schema* by its name, without what only a gateway schema has."""
    return {
        name: print_type(type_)
        for name, type_ in schema.type_map.items()
        if name not in {"RestDirectiveMethod", "Long"} and not is_introspection_type(type_)
    }


@pytest.mark.parametrize("sdl", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_the_served_schema_is_the_one_that_was_written(sdl: str) -> None:
    written, served = parse_gateway_schema(sdl).definition, schema_of(sdl)

    assert types_of(written) == types_of(served)
    assert str(written.query_type) == str(served.query_type)
    assert str(written.mutation_type) == str(served.mutation_type)


@pytest.mark.parametrize("sdl", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_introspection_shows_it_too(sdl: str) -> None:
    introspected = build_client_schema(introspection_from_schema(schema_of(sdl), input_value_deprecation=True))

    assert types_of(parse_gateway_schema(sdl).definition) == types_of(introspected)


def test_fields_stand_in_the_order_of_the_text() -> None:
    assert "  id: Long!\n  name: String\n  price: Float" in print_schema(schema_of(PLAIN))


def test_many_schemas_of_one_process_do_not_meet() -> None:
    one, other = schema_of("type Query { a: E } enum E { A }"), schema_of("type Query { a: E } enum E { B }")

    assert "A" in print_schema(one)
    assert "B" in print_schema(other)
    assert "B" not in print_schema(one)


def test_defaults_are_read_by_their_scalars() -> None:
    arguments = schema_of(SCALARS).query_type.fields["a"].args  # type: ignore[union-attr]  # it has one
    filter_ = schema_of(SCALARS).query_type.fields["b"].args["filter"]  # type: ignore[union-attr]  # as above

    assert ["2026-11-24T12:00:00Z", "1.10", 123456789012345678901] == [
        argument.default_value for argument in arguments.values()
    ]
    assert {"sum": "2.50", "inner": {"big": 17, "any": "x"}} == filter_.default_value


def answer_of(sdl: str, value: Any, query: str) -> Answer:
    """Return the answer of a gateway whose topics have *value* under the key 1."""
    topic = (TopicType.STRING, {"1": value})
    mirrors = MemoryMirrors(animals=topic, pets=topic)
    planned = GatewayExecutor(parse_gateway_schema(sdl), mirrors).execute(query)
    assert planned == GatewayExecutor(parse_gateway_schema(sdl), mirrors, uses_plans=False).execute(query)
    return planned


ANY_ANIMAL = """
type Query { animal(id: ID): Animal @topic(name: "animals", keyArgument: "id")
  pet(id: ID): Pet @topic(name: "pets", keyArgument: "id") }
interface Animal { name: String }
type Cat implements Animal { name: String  lives: Int }
type Dog implements Animal { name: String  tricks: [String] }
union Pet = Cat | Dog
"""
WHICH = "{ name: __typename ... on Cat { lives } ... on Dog { tricks } }"


@pytest.mark.parametrize("field", ["animal", "pet"])
def test_a_value_of_an_interface_or_union_says_its_type(field: str) -> None:
    query = f'{{ {field}(id: "1") {WHICH} }}'

    cat = answer_of(ANY_ANIMAL, {"__typename": "Cat", "lives": 9}, query)
    dog = answer_of(ANY_ANIMAL, ("zoo.Dog", {"tricks": ["sit"]}), f'{{ {field}(id: "1") {{ __typename }} }}')

    assert {"data": {field: {"name": "Cat", "lives": 9}}} == cat
    assert {"data": {field: {"__typename": "Dog"}}} == dog


@pytest.mark.parametrize("field", ["animal", "pet"])
def test_a_value_that_does_not_say_its_type_is_an_error_that_says_what_to_do(field: str) -> None:
    answer = answer_of(ANY_ANIMAL, {"lives": 9}, f'{{ {field}(id: "1") {WHICH} }}')

    assert {field: None} == answer["data"]
    assert ["A value says nothing of its type, and the schema takes Cat, Dog."] == [
        error["message"].partition(" : ")[2].partition(" Name")[0] for error in answer["errors"]
    ]


def test_a_mutation_is_part_of_the_schema() -> None:
    mutation = schema_of(EVERY_KIND).mutation_type

    assert mutation is not None
    assert ["Which", "What"] == [argument.description for argument in mutation.fields["setMore"].args.values()]
    assert "no" == mutation.fields["setMore"].deprecation_reason
