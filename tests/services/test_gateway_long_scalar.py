from typing import Any

import pytest
from graphql import GraphQLError, parse_value

from services.gateway.long_scalar import Long, as_long


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), (5.0, 5), ("12", 12), ("-7", -7), ("+7", 7)],
)
def test_whole_numbers_of_64_bits_pass(value: Any, number: int) -> None:
    assert number == as_long(value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        2**63,
        -(2**63) - 1,
        1.5,
        float("inf"),
        float("nan"),
        "",
        "1.0",
        "a",
        " 1",
        "\u0661",
        "9" * 5000,
        None,
        [1],
        {},
    ],
)
def test_everything_else_is_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="Long cannot represent"):
        as_long(value)


@pytest.mark.parametrize(("literal", "number"), [("5", 5), ('"5"', 5), ("-9223372036854775808", -(2**63))])
def test_literals_are_ints_or_numeric_strings(literal: str, number: int) -> None:
    assert number == Long.parse_literal(parse_value(literal))


@pytest.mark.parametrize("literal", ["5.0", "true", "A", "[1]", '"x"', "9223372036854775808", "9" * 5000])
def test_other_literals_are_refused(literal: str) -> None:
    with pytest.raises(GraphQLError, match="Long cannot represent"):
        Long.parse_literal(parse_value(literal))
