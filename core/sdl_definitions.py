"""The type definitions of a write type's SDL, by name: what both storage formats are made of."""

from __future__ import annotations

from graphql import GraphQLError, TypeDefinitionNode, TypeExtensionNode, parse

from core.errors import InvalidInputError, InvalidSdlError, SdlProblem


def type_definitions(sdl: str) -> dict[str, TypeDefinitionNode]:
    """Return the types that *sdl* defines.

    Raises:
        InvalidSdlError: It is no GraphQL.
        InvalidInputError: It extends a type.
        RecursionError: It is nested too deep.
    """
    try:
        document = parse(sdl, no_location=True)
    except GraphQLError as error:
        line, column = error.locations[0] if error.locations else (None, None)
        raise InvalidSdlError([SdlProblem(error.message, line, column)]) from error
    for node in document.definitions:
        if isinstance(node, TypeExtensionNode):
            name = node.name.value
            raise InvalidInputError(f"`extend` of {name} cannot be converted. Write its fields into {name}.")
    return {node.name.value: node for node in document.definitions if isinstance(node, TypeDefinitionNode)}
