import pytest
from graphql import parse

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
