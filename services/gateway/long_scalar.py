"""The scalar `Long`: a whole number of 64 bits with a sign."""

from __future__ import annotations

import re
from typing import Any, Final

import graphene  # type: ignore[import-untyped]  # Graphene ships no types
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast

from core.directives import LONG_DESCRIPTION

_RANGE: Final = range(-(2**63), 2**63)
_NUMERIC: Final = re.compile(r"[-+]?[0-9]{1,19}")


def as_long(value: Any) -> int:
    """Return *value* as a whole number of 64 bits; numeric text and floats without a fraction are taken too.

    Raises:
        GraphQLError: *value* is no such number.
    """
    if not _is_whole(value) or int(value) not in _RANGE:
        raise GraphQLError(f"Long cannot represent {value!r:.100}: it takes whole numbers from -2^63 to 2^63-1.")
    return int(value)


class Long(graphene.Scalar):  # type: ignore[misc]  # Graphene ships no types
    """Graphene's view of `Long`."""

    class Meta:
        """Name and description as in the SDL."""

        name = "Long"
        description = LONG_DESCRIPTION

    serialize = staticmethod(as_long)
    parse_value = staticmethod(as_long)

    @staticmethod
    def parse_literal(node: ValueNode, _variables: object = None) -> int:
        """Return the number that *node*, an int or a numeric string, stands for.

        Raises:
            GraphQLError: *node* stands for no number of 64 bits.
        """
        if isinstance(node, IntValueNode | StringValueNode):
            return as_long(node.value)
        text = print_ast(node)
        raise GraphQLError(f"Long cannot represent {text:.100}: write an int or a numeric string.", node)


def _is_whole(value: Any) -> bool:
    match value:
        case bool():
            return False
        case int():
            return True
        case float():
            return value.is_integer()
        case str():
            # Bounded, because Python refuses to read numbers of thousands of digits with an error of its own.
            return _NUMERIC.fullmatch(value) is not None
        case _:
            return False
