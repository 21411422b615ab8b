"""Gateway schemas: from a user's SDL text to a schema that can be served, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    NamedTypeNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    OperationType,
    ScalarTypeDefinitionNode,
    Source,
    build_ast_schema,
    is_specified_scalar_type,
)
from graphql.language.parser import Parser
from graphql.language.token_kind import TokenKind

from core.built_in_scalars import needed_scalars
from core.directive_places import place_errors
from core.directives import BUILT_INS, TopicField
from core.errors import InvalidSdlError, NotAvailableYetError, SdlProblem
from core.list_fields import ListField
from core.mutation_rules import MUTATION_RULES
from core.rest_fields import RestField
from core.rest_rules import read_rest_fields
from core.scalar_values import complete as complete_scalar
from core.sdl_rules import MAX_PROBLEMS, default_errors, schema_errors, sdl_errors
from core.sdl_support import unsupported
from core.topic_rules import ObjectTypes, read_topic_fields

MAX_SDL_BYTES: Final = 1_000_000
"""Longest SDL that is read, in bytes of UTF-8."""

MAX_SDL_TOKENS: Final = 100_000
"""Most names, signs, strings and comments in one SDL: some seconds of work, and more than any schema seen."""

PLACEHOLDER_SDL: Final = "schema { query: Empty } type Empty { dummy: Boolean }"
"""What a gateway serves before it is given a schema."""

_SAID_OTHERWISE: Final = {
    "Query root type must be provided.": "A Query type is mandatory. Add one, for example: type Query { … }",
}


@dataclass(frozen=True, slots=True, eq=False)
class GatewaySchema:
    """A schema that a gateway can serve."""

    sdl: str
    """The text as the user gave it; blank for the placeholder."""

    definition: GraphQLSchema
    """The parsed schema, built-in directives and types included. Not to be changed: threads share it."""

    topic_fields: Mapping[tuple[str, str], TopicField]
    """The fields that are filled from topics, by (type name, field name), in the order of the text."""

    rest_fields: Mapping[tuple[str, str], RestField]
    """The fields that are filled by REST services, by (type name, field name), in the order of the text."""

    document: DocumentNode
    """What the schema was built from. Not to be changed either."""

    list_fields: Mapping[tuple[str, str], ListField] = field(default_factory=dict)
    """The lists of topics for which something was generated, and their connections, see `core.sdl_lists`; none in a
    schema as the user gave it."""


def parse_gateway_schema(sdl: str) -> GatewaySchema:
    """Parse and check *sdl*; a blank one gives the placeholder schema, whose query type is `Empty`.

    The directives `@topic` and `@rest`, the enum `RestDirectiveMethod` and the scalar `Long` need no
    declaration; one of the same name and kind, as editors want it, is dropped. The other scalars of
    `core.built_in_scalars` are added where they are used and not declared. A `Query` type without
    fields gets the placeholder's field, because GraphQL knows no type without fields.

    Raises:
        InvalidSdlError: Something is wrong; holds every problem that was found, a hundred at most, in the order
            of the text.
        NotAvailableYetError: The schema is right, but uses what this version cannot serve.
    """
    try:
        schema = _parse(sdl)
    except RecursionError as error:
        problem = SdlProblem("The schema is nested too deeply to be read. Nest types and values less deep.")
        raise InvalidSdlError([problem]) from error
    if findings := unsupported(schema.definition):
        lines = "\n".join(f"- {finding}" for finding in findings)
        raise NotAvailableYetError(
            "This version cannot serve all of the schema yet. "
            f"Remove these parts, or wait for a later version:\n{lines}"
        )
    return schema


def topics_of(schema: GatewaySchema) -> tuple[str, ...]:
    """Return the names of the topics that *schema* reads, each once, in alphabetical order."""
    return tuple(sorted({topic_field.topic for topic_field in schema.topic_fields.values()}))


def _parse(sdl: str) -> GatewaySchema:
    source = Source(sdl if sdl.strip() else PLACEHOLDER_SDL, "gateway schema")
    _refuse_too_long(source.body)
    document = _complete(_document(source))
    types = ObjectTypes.of(document)
    topic_fields, topic_errors = read_topic_fields(types, MUTATION_RULES)
    rest_fields, rest_errors = read_rest_fields(document, types)
    own_errors = [*topic_errors, *rest_errors, *place_errors(types)]
    errors = [*sdl_errors(document), *own_errors]
    definition = None if _has_other(errors, own_errors) else _definition(document, errors)
    if errors or definition is None:
        raise InvalidSdlError(_problems(errors, source))
    return GatewaySchema(sdl, definition, topic_fields, rest_fields, document)


def _has_other(errors: list[GraphQLError], own_errors: list[GraphQLError]) -> bool:
    """Return whether the document breaks rules of GraphQL itself: no schema can be built from it then."""
    return len(errors) > len(own_errors)


def _definition(document: DocumentNode, errors: list[GraphQLError]) -> GraphQLSchema | None:
    """Build the schema of *document*; what is wrong with it is added to *errors*."""
    try:
        definition = build_definition(document)
    except GraphQLError as error:
        errors.append(_innermost(error))
        return None
    except TypeError as error:
        if _is_too_deep(error):
            raise RecursionError from error
        raise
    errors += schema_errors(definition)
    errors += default_errors(definition)
    return definition


def build_definition(document: DocumentNode) -> GraphQLSchema:
    """Return the schema of a *document* that keeps to the rules for documents, with scalars that convert values.

    Raises:
        GraphQLError: It has types that cannot be.
        TypeError: The same, and also where types are nested too deep.
    """
    definition = build_ast_schema(document, assume_valid_sdl=True)
    for type_ in definition.type_map.values():
        if isinstance(type_, GraphQLScalarType) and not is_specified_scalar_type(type_):
            complete_scalar(type_)
    return definition


def _innermost(error: GraphQLError) -> GraphQLError:
    """Return the error that knows the place: graphql-core wraps it in others that do not."""
    while isinstance(error.__cause__, GraphQLError):
        error = error.__cause__
    return error


def _is_too_deep(error: BaseException | None) -> bool:
    """Return whether graphql-core gave up because types go too deep: it wraps that in others, level by level."""
    while error is not None and not isinstance(error, RecursionError):
        error = error.__cause__
    return error is not None


def _refuse_too_long(text: str) -> None:
    if (size := len(text.encode(errors="surrogatepass"))) > MAX_SDL_BYTES:
        raise InvalidSdlError(
            [SdlProblem(f"The schema has {size} bytes, and {MAX_SDL_BYTES} are allowed. Split it into gateways.")]
        )


def _document(source: Source) -> DocumentNode:
    try:
        return _SdlParser(source, max_tokens=MAX_SDL_TOKENS).parse_document()
    except GraphQLError as error:
        raise InvalidSdlError(_problems([error], source)) from error


class _SdlParser(Parser):
    """Reads SDL, and also `type Query {}`: Quick's guides suggest that to those who need no queries."""

    def parse_fields_definition(self) -> list[FieldDefinitionNode]:
        if not self.peek(TokenKind.BRACE_L):
            return []
        return self.any(TokenKind.BRACE_L, self.parse_field_definition, TokenKind.BRACE_R)


def _complete(document: DocumentNode) -> DocumentNode:
    """Return *document* with the built-ins in place of the user's own ones, and with a field in `Query`."""
    own = [node for node in document.definitions if not _redeclares_a_built_in(node)]
    _fill_empty_query(own)
    return DocumentNode(definitions=(*BUILT_INS, *needed_scalars([*BUILT_INS, *own]), *own))


def _redeclares_a_built_in(node: DefinitionNode) -> bool:
    match node:
        case DirectiveDefinitionNode():
            return node.name.value in {"topic", "rest"}
        case EnumTypeDefinitionNode():
            return node.name.value == "RestDirectiveMethod"
        case ScalarTypeDefinitionNode():
            return node.name.value == "Long"
        case _:
            return False


def _fill_empty_query(nodes: Iterable[DefinitionNode]) -> None:
    query = OperationType.QUERY.value.capitalize()
    parts = [
        node
        for node in nodes
        if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) and node.name.value == query
    ]
    if parts and not any(node.fields for node in parts):
        boolean = NamedTypeNode(name=NameNode(value="Boolean"))
        parts[0].fields = (
            FieldDefinitionNode(name=NameNode(value="dummy"), arguments=(), directives=(), type=boolean),
        )


def _problems(errors: Iterable[GraphQLError], source: Source) -> list[SdlProblem]:
    """Return *errors* in the order of the text, each once, not too many; those without a place come first."""
    problems = sorted(
        {_problem(error, source) for error in errors},
        key=lambda problem: (problem.line or 0, problem.column or 0, problem.message),
    )
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [SdlProblem("There are more problems, which are not shown. Correct these first.")]
    return problems


def _problem(error: GraphQLError, source: Source) -> SdlProblem:
    message = _SAID_OTHERWISE.get(error.message, error.message)
    # Of two places that clash, the one to mend is the later one; and never the built-in definition.
    for node in reversed(error.nodes or []):
        if node.loc is not None and node.loc.source is source:
            return SdlProblem(message, node.loc.start_token.line, node.loc.start_token.column)
    if error.source is source and error.locations:
        return SdlProblem(message, error.locations[0].line, error.locations[0].column)
    return SdlProblem(message)
