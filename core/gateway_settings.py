"""What GraphQL gateways take from their clients: how requests may look, and how much one operation may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.environment import Environment, between, file_or_folder, on_or_off, one_of, seconds
from core.errors import SettingsError

_MANY = 1_000_000_000


class LimitMode(StrEnum):
    """What becomes of an operation that asks for more than the limits allow."""

    ENFORCE = "enforce"
    """It is refused."""

    MEASURE = "measure"
    """It is executed, and the log says that it would have been refused. Every answer tells what it cost."""

    OFF = "off"
    """Nothing is measured. What protects the server itself stays: the length of documents, their nesting, time."""


class DocumentMode(StrEnum):
    """Which documents clients may have executed."""

    OFF = "off"
    """Any; there are no registered ones."""

    ALLOW = "allow"
    """Any; registered ones also by their id."""

    ONLY = "only"
    """Registered ones, by their id, and no others."""


@dataclass(frozen=True, kw_only=True)
class GraphQLLimits:
    """How much one operation may ask for. Fields of a fragment count wherever it is used."""

    mode: LimitMode = LimitMode.ENFORCE
    """`QUICK_GRAPHQL_LIMITS`: `enforce`, `measure` or `off`."""

    max_tokens: int = 10_000
    """`QUICK_GRAPHQL_MAX_TOKENS`: names, signs and values in one document; kept in each mode."""

    max_depth: int = 20
    """`QUICK_GRAPHQL_MAX_DEPTH`: fields above one another; the introspection query of the usual tools needs 15."""

    max_fields: int = 5_000
    """`QUICK_GRAPHQL_MAX_FIELDS`: fields of one operation."""

    max_breadth: int = 500
    """`QUICK_GRAPHQL_MAX_BREADTH`: fields beside one another, in one selection set."""

    max_aliases: int = 200
    """`QUICK_GRAPHQL_MAX_ALIASES`: how often one selection set may ask for the same field, under whatever names."""

    max_root_fields: int = 200
    """`QUICK_GRAPHQL_MAX_ROOT_FIELDS`: fields of one operation that have no field above them."""

    max_directives: int = 500
    """`QUICK_GRAPHQL_MAX_DIRECTIVES`: directives in one document."""

    max_cost: int = 1_000_000
    """`QUICK_GRAPHQL_MAX_COST`: values that an operation is expected to ask for: its fields, those below a list
    times the length of the list. A gateway makes some hundred thousand of them in a second."""

    list_length: int = 100
    """`QUICK_GRAPHQL_LIST_LENGTH`: expected length of a list that is read from a topic, where nothing tells it."""

    @classmethod
    def read(cls, env: Environment) -> GraphQLLimits:
        """Read the limits from *env*.

        Raises:
            SettingsError: A variable has a value that it cannot take.
        """
        many = between(1, _MANY)
        return cls(
            mode=env.optional("QUICK_GRAPHQL_LIMITS", one_of(LimitMode), cls.mode),
            max_tokens=env.optional("QUICK_GRAPHQL_MAX_TOKENS", many, cls.max_tokens),
            max_depth=env.optional("QUICK_GRAPHQL_MAX_DEPTH", many, cls.max_depth),
            max_fields=env.optional("QUICK_GRAPHQL_MAX_FIELDS", many, cls.max_fields),
            max_breadth=env.optional("QUICK_GRAPHQL_MAX_BREADTH", many, cls.max_breadth),
            max_aliases=env.optional("QUICK_GRAPHQL_MAX_ALIASES", many, cls.max_aliases),
            max_root_fields=env.optional("QUICK_GRAPHQL_MAX_ROOT_FIELDS", many, cls.max_root_fields),
            max_directives=env.optional("QUICK_GRAPHQL_MAX_DIRECTIVES", many, cls.max_directives),
            max_cost=env.optional("QUICK_GRAPHQL_MAX_COST", between(1, 10**15), cls.max_cost),
            list_length=env.optional("QUICK_GRAPHQL_LIST_LENGTH", many, cls.list_length),
        )


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """How gateways take requests. Each field names its environment variable, its unit and its default."""

    max_batch: int = 10
    """`QUICK_GRAPHQL_MAX_BATCH`: operations in one request; 0 and 1 take no array of operations."""

    timeout_s: float = 30.0
    """`QUICK_GRAPHQL_TIMEOUT_S`: seconds after which an operation is answered with an error; 0 never."""

    introspection: bool = True
    """`QUICK_GRAPHQL_INTROSPECTION`: `on` lets clients ask for the schema, and suggests names that are near; `off`
    does neither."""

    documents: Path | None = None
    """`QUICK_GRAPHQL_DOCUMENTS`: registered documents: a JSON file of texts by id for all gateways, or a folder with
    one such file for each gateway, `<name>.json`."""

    document_mode: DocumentMode = DocumentMode.OFF
    """`QUICK_GRAPHQL_DOCUMENTS_MODE`: `off`, `allow` or `only`."""

    limits: GraphQLLimits = field(default_factory=GraphQLLimits)
    """How much one operation may ask for."""

    @classmethod
    def read(cls, env: Environment) -> GatewaySettings:
        """Read the settings from *env*.

        Raises:
            SettingsError: A variable has a value that it cannot take, or a mode lacks its documents.
        """
        made = cls(
            max_batch=env.optional("QUICK_GRAPHQL_MAX_BATCH", between(0, 10_000), cls.max_batch),
            timeout_s=env.optional("QUICK_GRAPHQL_TIMEOUT_S", seconds, cls.timeout_s),
            introspection=env.optional("QUICK_GRAPHQL_INTROSPECTION", on_or_off, cls.introspection),
            documents=env.optional("QUICK_GRAPHQL_DOCUMENTS", file_or_folder, None),
            document_mode=env.optional("QUICK_GRAPHQL_DOCUMENTS_MODE", one_of(DocumentMode), cls.document_mode),
            limits=GraphQLLimits.read(env),
        )
        if made.document_mode is not DocumentMode.OFF and made.documents is None:
            raise SettingsError(
                f"QUICK_GRAPHQL_DOCUMENTS_MODE={made.document_mode.value} has no documents. "
                "Set QUICK_GRAPHQL_DOCUMENTS to a JSON file of texts by id, or to a folder of them."
            )
        return made
