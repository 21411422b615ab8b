"""From the text of a document to one that may be executed, or to what is wrong with it.

The order bounds the work: a document is parsed up to a number of tokens, measured, visiting each selection once, and
only then validated, which takes the longest by far.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import ASTValidationRule

from core.directives import TopicField
from core.gateway_settings import GatewaySettings, LimitMode
from services.gateway.cost import CostCompiler, EntryCounts
from services.gateway.limits import limit_errors
from services.gateway.planned_operations import PlannedOperation
from services.gateway.weights import Weights

logger = logging.getLogger(__name__)

MAX_ERRORS: Final = 20
"""Errors of validation after which the rest of a document is not looked at."""

MAX_MESSAGE: Final = 1_000
"""Characters of an error of validation."""

_NO_TOPICS: Final[Mapping[tuple[str, str], TopicField]] = {}

_DEFAULTS: Final = GatewaySettings()


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document that can be executed, or what is wrong with it."""

    document: DocumentNode | None
    errors: Sequence[GraphQLError] = ()
    weights: Weights | None = None
    """What its operations cost; `None` where nothing is measured."""
    operations: dict[str | None, PlannedOperation] = field(default_factory=dict)
    """What `Documents.operation` has found."""

    def refusal(self, operation_name: str | None, variables: Mapping[str, Any]) -> GraphQLError | None:
        """Return why the operation must not be executed with *variables*, `None` where it may be."""
        return None if self.weights is None else self.weights.refusal(operation_name, variables)


class NoIntrospectionRule(ASTValidationRule):
    """Refuses questions about the schema; what type an object has may be asked."""

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Report the fields that lead to the schema."""
        if node.name.value in {"__schema", "__type"}:
            self.report_error(
                GraphQLError(
                    f"The field {node.name.value} cannot be asked for: introspection is switched off. "
                    "Take the schema from whoever runs the gateway.",
                    node,
                )
            )


class Checks:
    """Parses, measures and validates documents for one schema. Safe to use from several threads.

    Args:
        schema: What documents are validated against; never changed.
        settings: What is allowed.
        topic_fields: The fields that are read from topics, by type and name.
        entry_counts: Tells how many entries a topic has, where that is known.
        gateway: Name of the gateway, for the log.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        settings: GatewaySettings = _DEFAULTS,
        topic_fields: Mapping[tuple[str, str], TopicField] = _NO_TOPICS,
        *,
        entry_counts: EntryCounts | None = None,
        gateway: str = "(unnamed)",
    ) -> None:
        self._schema = schema
        self._limits = settings.limits
        self._gateway = gateway
        self._hides = not settings.introspection
        self._rules = [*specified_rules, NoIntrospectionRule] if self._hides else list(specified_rules)
        self._costs = CostCompiler(
            schema, topic_fields, list_length=settings.limits.list_length, entry_counts=entry_counts
        )

    def check(self, text: str) -> CheckedDocument:
        """Return the document of *text*."""
        try:
            document = parse(text, max_tokens=self._limits.max_tokens)
        except GraphQLError as error:
            return CheckedDocument(None, (error,))
        is_measured = self._limits.mode is not LimitMode.OFF
        too_large = limit_errors(document, self._limits) if is_measured else []
        if too_large and self._limits.mode is LimitMode.ENFORCE:
            return CheckedDocument(None, too_large)
        if errors := self._validate(document):
            return CheckedDocument(None, errors)
        for complaint in too_large:
            logger.warning("Gateway %s would have refused a document: %s", self._gateway, complaint.message)
        return CheckedDocument(document, weights=self._weights(document) if is_measured else None)

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        errors = validate(self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hides)
        return [_shortened(error) for error in errors]

    def _weights(self, document: DocumentNode) -> Weights:
        return Weights(document, self._costs.compiled(document), self._limits, self._gateway)


def _shortened(error: GraphQLError) -> GraphQLError:
    """Return *error* without most of a message that repeats a long value of the document."""
    if len(error.message) <= MAX_MESSAGE:
        return error
    return GraphQLError(error.message[:MAX_MESSAGE] + "…", error.nodes)
