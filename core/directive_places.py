"""Where `@topic` and `@rest` have to stand: no directive is without effect."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from graphql import DirectiveNode, GraphQLError

from core.directives import directive_on
from core.sdl_rules import MAX_PROBLEMS
from core.topic_rules import ObjectTypes

_DIRECTIVES = ("topic", "rest")


def place_errors(types: ObjectTypes) -> list[GraphQLError]:
    """Return an error for each directive of *types* that has no effect."""
    return list(islice(_on_interfaces(types), MAX_PROBLEMS + 1))


def _on_interfaces(types: ObjectTypes) -> Iterator[GraphQLError]:
    """Yield an error for each directive on an interface's field that not all object types of it repeat."""
    for interface, fields in types.interface_fields.items():
        implementing = types.implementing(interface)
        for name, field in fields.items():
            for directive in field.directives:
                if directive.name.value in _DIRECTIVES and not implementing:
                    yield _without_effect(directive, f"{interface}.{name}", "that implements it: there is none yet")
                elif directive.name.value in _DIRECTIVES and (
                    lacking := [type_ for type_ in implementing if not _repeats(types, type_, name, directive)]
                ):
                    yield _without_effect(directive, f"{interface}.{name}", f"too: {', '.join(lacking)}")


def _repeats(types: ObjectTypes, type_: str, name: str, directive: DirectiveNode) -> bool:
    field = types.fields[type_].get(name)
    return field is not None and directive_on(field, directive.name.value) is not None


def _without_effect(directive: DirectiveNode, place: str, where: str) -> GraphQLError:
    word = f"@{directive.name.value}"
    message = f"{word} on {place}, a field of an interface, has no effect. Write it on the field of each type {where}."
    return GraphQLError(message, directive)
