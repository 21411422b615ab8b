import pytest
from graphql import parse

from core.avro_schema import to_avro
from core.errors import InvalidInputError
from core.sdl import parse_gateway_schema
from core.write_types import write_type

SHOP = parse_gateway_schema(
    '''
type Query { findPurchase(id: ID): Purchase @topic(name: "purchases", keyArgument: "id") }

"""What somebody bought."""
type Purchase {
  userId: Long!
  productId: Int
  "How often"
  amount: Int @deprecated(reason: "use count")
  product: Product @topic(name: "products", keyField: "productId")
  price(currency: Currency): Price
  prices: [[Price!]]!
  kind: Kind
}
type Product { id: Int! vendor: Vendor }
type Vendor { id: Int }
type Price { total: Float, currency: Currency }
enum Currency { USD EUR CHF }
enum Kind { NEW "Used before" OLD }
input Currencies { a: Currency }
type Derived { count: Long @topic(name: "counts", keyField: "count") }
type Holder { id: Int derived: Derived }
type Person { name: String friends: [Person!] home: Home }
type Home { owner: Person }
'''
)


def test_fields_stand_as_written_and_each_reachable_type_once() -> None:
    assert '''"""What somebody bought."""
type Purchase {
  userId: Long!
  productId: Int

  """How often"""
  amount: Int @deprecated(reason: "use count")
  price: Price
  prices: [[Price!]]!
  kind: Kind
}

type Price {
  total: Float
  currency: Currency
}

enum Kind {
  NEW

  """Used before"""
  OLD
}

enum Currency {
  USD
  EUR
  CHF
}''' == write_type(SHOP, "Purchase")


def test_first_letter_may_be_small() -> None:
    assert write_type(SHOP, "Price") == write_type(SHOP, "price")


def test_what_only_a_topic_field_reaches_is_not_printed() -> None:
    assert "Product" not in write_type(SHOP, "purchase")


def test_recursive_types_end() -> None:
    person = "type Person {\n  name: String\n  friends: [Person!]\n  home: Home\n}"
    home = "type Home {\n  owner: Person\n}"

    assert f"{person}\n\n{home}" == write_type(SHOP, "Person")


def test_the_text_can_be_parsed_again() -> None:
    assert 4 == len(parse(write_type(SHOP, "Purchase")).definitions)


@pytest.mark.parametrize("name", ["Unknown", "unknown", "", "Currency", "Currencies", "String", "Long", "__Schema"])
def test_what_is_no_object_type_does_not_exist(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        write_type(SHOP, name)

    assert f"Type {name} does not exist" == str(caught.value)


@pytest.mark.parametrize("name", ["Derived", "Holder"])
def test_a_type_that_stores_nothing_is_no_write_type(name: str) -> None:
    with pytest.raises(InvalidInputError, match="Type Derived stores nothing: all its fields come from topics"):
        write_type(SHOP, name)


ABSTRACT = parse_gateway_schema(
    """
type Query { a: Int }
interface Named { name: String }
type Cat implements Named { name: String  lives: Int  owner: Owner }
type Dog implements Named { name: String  born: Date }
type Owner { pet: Pet  sum: Money }
union Pet = Cat | Dog
type Keeper { animal: Named }
"Amount and currency"
scalar Money
"""
)


def test_a_union_is_printed_with_its_types_which_drop_their_interfaces() -> None:
    assert '''type Owner {
  pet: Pet
  sum: Money
}

union Pet = Cat | Dog

"""Amount and currency"""
scalar Money

type Cat {
  name: String
  lives: Int
  owner: Owner
}

type Dog {
  name: String
  born: Date
}''' == write_type(ABSTRACT, "Owner")


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("Keeper", "Type Named not recognized: it is an interface, which cannot be stored."),
        ("Owner", "Scalar Money not supported. Use one of Int"),
    ],
)
def test_what_cannot_be_stored_is_named_when_the_text_is_converted(name: str, refusal: str) -> None:
    with pytest.raises(InvalidInputError, match=refusal):
        to_avro(write_type(ABSTRACT, name), name, "zoo")
