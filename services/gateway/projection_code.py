"""Python code that shows records as a selection wants them, written once per plan.

Each object and each list of a selection becomes one short function, which makes the answer's dict in one expression
and tests each value for being what its type shows as it stands. What is not goes to a leaf function, and what that
does not take ends the plan (see `services.gateway.plan`). Functions of this kind take half the time of closures over
the fields, since Python then calls nothing per field but the dict's own `get`.

No name or text of a user becomes code: they stand in it as literals that `repr` wrote, and all else is named by number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLLeafType,
    GraphQLScalarType,
    Undefined,
    is_specified_scalar_type,
)

from services.gateway.records import PASS_THROUGH, fields_of, shown

# What a value must be to be shown as it stands; {0} binds or is the value, {1} is its name.
_STRING: Final = "type({0}) is str"
_TESTS: Final = {
    "Boolean": "type({0}) is bool",
    "Float": "type({0}) is float and {1} - {1} == 0.0",  # it is not for infinities and NaN
    "ID": _STRING,
    "Int": "type({0}) is int and -2147483648 <= {1} <= 2147483647",
    "Long": "type({0}) is int and -9223372036854775808 <= {1} <= 9223372036854775807",
    "String": _STRING,
}


class GiveUpError(Exception):
    """A value is not as the plan expects it."""


class ProjectionCode:
    """The code of one plan, while it is written; then its functions."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "fields_of": fields_of,
            "GiveUpError": GiveUpError,
            "PASS_THROUGH": PASS_THROUGH,
        }
        self._leaves: dict[tuple[GraphQLLeafType, bool], str] = {}

    def leaf(self, type_: GraphQLLeafType, first: str, again: str, *, is_required: bool) -> str:
        """Return the expression that shows a scalar or an enum.

        Args:
            type_: Of the value.
            first: The expression that is the value, and binds *again* to it.
            again: Its name.
            is_required: Whether it is non-null.
        """
        complete = self._leaf_function(type_, is_required=is_required)
        test = self._test(type_, first, again)
        return f"{complete}({first})" if test is None else f"{again} if {test} else {complete}({again})"

    def nullable(self, function: str, first: str, again: str, *, is_required: bool) -> str:
        """Return the expression that shows a value by *function*, and null as null unless it is non-null."""
        if is_required:
            return f"{function}({first}, j)"
        return f"None if ({first}) is None else {function}({again}, j)"

    def list_function(self, element: str) -> str:
        """Return the name of a function that shows a list, each element `x` by the expression *element*."""
        return self._function("v", "if type(v) is not list:", "    raise GiveUpError", f"return [{element} for x in v]")

    def object_function(self, members: list[tuple[str, str]], waiting: list[int]) -> str:
        """Return the name of a function that shows a record.

        Args:
            members: Names in the answer, and the expression of each; they may `get` a field of the record.
            waiting: The joins that wait for a value of this record.
        """
        display = "{" + ", ".join(f"{key!r}: {expression}" for key, expression in members) + "}"
        access = ("try:", "    get = v.get", "except AttributeError:", "    get = fields_of(v, '').get")
        if not waiting:
            return self._function("v", *access, f"return {display}")
        joined = [f"j[{index}].append((v, o))" for index in waiting]
        return self._function("v", *access, f"o = {display}", *joined, "return o")

    def abstract_function(self, concrete: Callable[[Any], str | None], functions: dict[str, str]) -> str:
        """Return the name of a function that shows a value of an interface or a union.

        Args:
            concrete: Returns the name of the object type that a value is.
            functions: The function of each object type, by its name.
        """
        members = ", ".join(f"{name!r}: {function}" for name, function in functions.items())
        table = f"t{len(self._lines)}"
        self._lines.append(f"{table} = {{{members}}}")
        return self._function("v", f"return {table}[{self._constant(concrete)}(v)](v, j)")

    def value_function(self, expression: str) -> str:
        """Return the name of a function that shows its argument `v` by *expression*."""
        return self._function("v", f"return {expression}")

    def functions(self) -> dict[str, Any]:
        """Return all functions by name; nothing is written any more."""
        exec(compile("\n".join(self._lines), "<plan>", "exec"), self._names)  # noqa: S102  see the module
        return self._names

    def _function(self, parameter: str, *body: str) -> str:
        name = f"f{len(self._lines)}"
        self._lines.append("\n".join((f"def {name}({parameter}, j):", *(f"    {line}" for line in body))))
        return name

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._names)}"
        self._names[name] = value
        return name

    def _test(self, type_: GraphQLLeafType, first: str, again: str) -> str | None:
        if isinstance(type_, GraphQLEnumType):
            same = frozenset(name for name, value in type_.values.items() if value.value == name)
            return f"{_STRING.format(first)} and {again} in {self._constant(same)}"
        if is_specified_scalar_type(type_) or type_.name == "Long":
            return _TESTS[type_.name].format(first, again)
        return None

    def _leaf_function(self, type_: GraphQLLeafType, *, is_required: bool) -> str:
        place = (type_, is_required)
        if place not in self._leaves:
            self._leaves[place] = self._constant(_leaf_function(type_, is_required=is_required))
        return self._leaves[place]


def _leaf_function(type_: GraphQLScalarType | GraphQLEnumType, *, is_required: bool) -> Callable[[Any], Any]:
    """Return what shows a value of *type_* whatever it is, as graphql-core does."""
    serialize = type_.serialize

    def complete(value: Any) -> Any:
        if value is None and not is_required:
            return None
        if value is None or isinstance(value, Exception):
            raise GiveUpError
        done = serialize(shown(value))
        if done is None or done is Undefined:
            raise GiveUpError
        return done

    return complete
