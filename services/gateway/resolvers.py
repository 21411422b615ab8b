"""Where the value of each field comes from; one short function per kind of field, made once per schema.

Every resolver takes parent and info by position only: the argument of a field may have any name, theirs too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from graphql import GraphQLResolveInfo

from core.errors import InvalidInputError, InvalidValueError, NotAvailableYetError, NotFoundError
from services.gateway.keys import as_key
from services.gateway.mirrors import MirrorReader

ForwardedArguments = dict[str | int, Mapping[str, Any]]
"""The context of one request: the arguments of each field of `Query`, by its name in the answer."""

Resolver = Callable[..., Any]
KeySource = Callable[[Any, GraphQLResolveInfo, Mapping[str, Any]], Any]

PASS_THROUGH: Final[Mapping[str, Any]] = MappingProxyType({})
"""The value above all fields, and of a field that only leads to others that are filled from topics."""


def from_parent(name: str) -> Resolver:
    """Return the resolver of a field that is a property of the record above it; what it lacks is null."""

    def resolve(parent: Any, _info: GraphQLResolveInfo, /, **_arguments: Any) -> Any:
        try:
            return parent.get(name)
        except AttributeError:
            raise InvalidValueError(
                f"The field {name} belongs to a record, but the value above it is a {type(parent).__name__}. "
                "Correct the type in the schema, or name another topic."
            ) from None

    return resolve


def passing_through(name: str) -> Resolver:
    """Return the resolver of a property whose type has fields that arguments from above reach."""
    from_record = from_parent(name)

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        if parent is PASS_THROUGH:
            return PASS_THROUGH
        return from_record(parent, info, **arguments)

    return resolve


def not_written(topic: str) -> Resolver:
    """Return the resolver of a mutation that writes to *topic*: it refuses."""

    def resolve(_parent: Any, _info: GraphQLResolveInfo, /, **_arguments: Any) -> Any:
        raise NotAvailableYetError(f'Writing to topic "{topic}" through a gateway is not available yet.')

    return resolve


def forwarding(resolver: Resolver) -> Resolver:
    """Return *resolver*, a field of `Query`, such that its arguments reach all fields below it."""

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        info.context[info.path.key] = arguments
        return resolver(parent, info, **arguments)

    return resolve


def everything(topic: str, mirrors: MirrorReader) -> Resolver:
    """Return the resolver of a field that holds all values of *topic*."""

    def resolve(_parent: Any, _info: GraphQLResolveInfo, /, **_arguments: Any) -> Any:
        return list(mirrors.all(topic))

    return resolve


def one_value(topic: str, key_of: KeySource, mirrors: MirrorReader, *, is_required: bool) -> Resolver:
    """Return the resolver of a field that holds the value of *topic* under one key; no key gives null."""

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        given = key_of(parent, info, arguments)
        if given is None:
            return None
        key = as_key(given, mirrors.key_type(topic), topic)
        value = mirrors.get(topic, key)
        if value is None and is_required:
            raise _missing(topic, key)
        return value

    return resolve


def many_values(
    topic: str, keys_of: KeySource, mirrors: MirrorReader, *, is_required: bool, are_required: bool
) -> Resolver:
    """Return the resolver of a field that holds one value of *topic* for each key of a list, in its order.

    Args:
        topic: Name of the topic.
        keys_of: Finds the keys; none at all give an empty list where the field is non-null, else null.
        mirrors: Where the values are read.
        is_required: Whether the list is non-null.
        are_required: Whether the values in it are non-null: a missing one is an error that names its key.
    """

    def resolve(parent: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        given = keys_of(parent, info, arguments)
        if given is None:
            return [] if is_required else None
        keys = _keys(given, topic, mirrors)
        found = iter(mirrors.get_many(topic, [key for key in keys if key is not None]))
        values = [None if key is None else next(found) for key in keys]
        if not are_required:
            return values
        # graphql-core raises an exception that it finds in a list, at the path of the element.
        return [_missing(topic, key) if value is None else value for key, value in zip(keys, values, strict=True)]

    return resolve


def values_in_range(topic: str, mirrors: MirrorReader, *, key: str, low: str, high: str) -> Resolver:
    """Return the resolver of a field that holds the values of one key within a range, in the order of its field.

    Args:
        topic: Name of the topic.
        mirrors: Where the values are read.
        key: Argument with the key.
        low: Argument with the lower bound, which is included.
        high: Argument with the upper bound, which is not.
    """

    def resolve(_parent: Any, _info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
        return mirrors.range(topic, *(_argument(name, arguments) for name in (key, low, high)))

    return resolve


def own_argument(name: str) -> KeySource:
    """Return the source of keys that come with the field itself."""

    def key_of(_parent: Any, _info: GraphQLResolveInfo, arguments: Mapping[str, Any]) -> Any:
        return _argument(name, arguments)

    return key_of


def forwarded_argument(name: str) -> KeySource:
    """Return the source of keys that come with the field of `Query` above the field."""

    def key_of(_parent: Any, info: GraphQLResolveInfo, _arguments: Mapping[str, Any]) -> Any:
        path = info.path
        while path.prev is not None:
            path = path.prev
        return _argument(name, info.context.get(path.key, {}))

    return key_of


def key_field(name: str) -> KeySource:
    """Return the source of keys that stand in the record above the field."""
    from_record = from_parent(name)

    def key_of(parent: Any, info: GraphQLResolveInfo, _arguments: Mapping[str, Any]) -> Any:
        return from_record(parent, info)

    return key_of


def _argument(name: str, arguments: Mapping[str, Any]) -> Any:
    if (value := arguments.get(name)) is None:
        raise InvalidInputError(f"Could not find argument {name}")
    return value


def _keys(given: Any, topic: str, mirrors: MirrorReader) -> list[Any]:
    if not isinstance(given, list):
        raise InvalidValueError(
            f'{given!r:.100} is no list of keys of topic "{topic}". '
            "Let the key argument or key field of the schema be a list."
        )
    key_type = mirrors.key_type(topic)
    return [None if key is None else as_key(key, key_type, topic) for key in given]


def _missing(topic: str, key: Any) -> NotFoundError:
    return NotFoundError(
        f'Topic "{topic}" has no value under the key {key!r:.100}, and the schema declares it non-null. '
        "Write the value, or let the field be nullable."
    )
