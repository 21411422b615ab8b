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
from services.gateway.rest_client import RestClient
from services.gateway.schema import build
from services.gateway.writing import READ_ONLY

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
type Mutation { nothing(kind: Kind!): Kind }
'''

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
type Meta { Meta: Meta }
type ObjectType { a: Int }
type Field { a: Int }
enum Enum { mro name value _meta _x_ get_type None description }
enum PyEnum { A }
enum EnumMeta { A }
input from { from: Int  class: Int  Meta: from  items: Int  keys: Int  _meta: PyEnum = A }
""".replace("__init", "init")


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


@pytest.mark.parametrize("sdl", [PLAIN, EVERY_KIND, HARD_NAMES, ""], ids=["plain", "every kind", "hard names", "blank"])
def test_the_served_schema_is_the_one_that_was_written(sdl: str) -> None:
    written, served = parse_gateway_schema(sdl).definition, schema_of(sdl)

    assert types_of(written) == types_of(served)
    assert str(written.query_type) == str(served.query_type)
    assert str(written.mutation_type) == str(served.mutation_type)


@pytest.mark.parametrize("sdl", [PLAIN, EVERY_KIND, HARD_NAMES, ""], ids=["plain", "every kind", "hard names", "blank"])
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
