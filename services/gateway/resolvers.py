"""The resolvers that graphql-core calls for the fields of a gateway schema, and the plan looks at.

Every resolver takes parent and info by position only: the argument of a field may have any name, theirs too.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLResolveInfo, OperationType

from core.errors import InvalidInputError
from services.gateway.operations import NOTHING_KNOWN, RunningOperation
from services.gateway.records import PASS_THROUGH, fields_of, shown
from services.gateway.sources import Source


class FieldResolver:
    """The resolver of a field.

    Args:
        forwards: Whether the arguments of the field, one of `Query`, reach all fields below it.
        is_leaf: Whether what is in the field is shown, and has no fields: a scalar, an enum, or a list of them.
    """

    def __init__(self, *, forwards: bool = False, is_leaf: bool) -> None:
        self.forwards = forwards
        self.is_leaf = is_leaf

    def __call__(self, parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        """Return the value of the field of *parent*; an exception in place of it is raised by who called."""
        if self.forwards:
            info.context.forwarded[info.path.key] = arguments
        value = self._value(parent, info, arguments)
        return shown(value) if self.is_leaf else value

    def _value(self, parent: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        raise NotImplementedError


class PropertyResolver(FieldResolver):
    """The resolver of a field that is a property of the record above it; what that lacks is null.

    Args:
        name: Of the property.
        passes_through: Whether fields below get their values by arguments from above, so that they need no record.
        forwards: See `FieldResolver`.
        is_leaf: See `FieldResolver`.
    """

    def __init__(
        self, name: str, *, passes_through: bool = False, forwards: bool = False, is_leaf: bool = False
    ) -> None:
        super().__init__(forwards=forwards, is_leaf=is_leaf)
        self.name = name
        self.passes_through = passes_through

    def _value(self, parent: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        if parent is PASS_THROUGH:
            return PASS_THROUGH if self.passes_through else None
        return fields_of(parent, self.name).get(self.name)


class SourceResolver(FieldResolver):
    """The resolver of a field that a source fills.

    Args:
        source: Gives the values.
        takes_forwarded: Whether it gets the arguments of the field of `Query` above it, and not its own.
        forwards: See `FieldResolver`.
        is_leaf: See `FieldResolver`.
    """

    def __init__(
        self, source: Source, *, takes_forwarded: bool = False, forwards: bool = False, is_leaf: bool = False
    ) -> None:
        super().__init__(forwards=forwards, is_leaf=is_leaf)
        self.source = source
        self.takes_forwarded = takes_forwarded

    def _value(self, parent: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        operation: RunningOperation = info.context
        root = _root(info)
        known = operation.known(info.field_nodes[0], root, parent)
        if known is not NOTHING_KNOWN:
            return known
        operation.check_time()
        given = operation.forwarded.get(root, {}) if self.takes_forwarded else arguments
        return self.source.fetch(operation, [parent], given)[0]


class SharedSourceResolver(SourceResolver):
    """The resolver of a field whose source is asked once for all parents: what it gives does not depend on them."""

    def _value(self, parent: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        shared = info.context.shared
        place = id(info.field_nodes[0]), _root(info)
        if place not in shared:
            shared[place] = super()._value(parent, info, arguments)
        value = shared[place]
        # Who is raised more than once must not gather the places where that was.
        return value.with_traceback(None) if isinstance(value, Exception) else value


class MutationResolver(SourceResolver):
    """The resolver of a field that writes; it refuses to where a query reaches the type `Mutation`."""

    def _value(self, parent: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]) -> Any:
        if info.operation.operation is not OperationType.MUTATION or info.path.prev is not None:
            raise InvalidInputError(
                "A topic is written by a field at the top of a mutation only. Send it as mutation { … }"
            )
        return self.source.fetch(info.context, [parent], arguments)[0]


def _root(info: GraphQLResolveInfo) -> str | int:
    """Return the key of the field of the operation that a field is, or stands below."""
    path = info.path
    while path.prev is not None:
        path = path.prev
    return path.key
