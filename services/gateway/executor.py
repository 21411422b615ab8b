"""One gateway with one schema, ready to execute operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graphql import OperationType, execute_sync, get_operation_ast

from core.gateway_settings import GatewaySettings
from core.sdl import GatewaySchema
from services.gateway import answers
from services.gateway.answers import Answer
from services.gateway.checks import Checks
from services.gateway.cost import EntryCounts
from services.gateway.documents import Documents
from services.gateway.mirrors import MirrorReader
from services.gateway.resolvers import PASS_THROUGH
from services.gateway.schema import build

_DEFAULTS: Final = GatewaySettings()


class GatewayExecutor:
    """Executes operations of one gateway. Safe to use from several threads; blocks while it reads mirrors.

    Args:
        schema: What the gateway serves; a new schema needs a new executor.
        mirrors: Where the values are read.
        gateway: Name of the gateway, for the log.
        settings: What operations may ask for.
        entry_counts: Tells how many entries a topic has, where that is known.
    """

    def __init__(
        self,
        schema: GatewaySchema,
        mirrors: MirrorReader,
        gateway: str = "(unnamed)",
        settings: GatewaySettings = _DEFAULTS,
        *,
        entry_counts: EntryCounts | None = None,
    ) -> None:
        self._gateway = gateway
        self._hides = not settings.introspection
        self._executable = build(schema, mirrors).graphql_schema
        checks = Checks(self._executable, settings, schema.topic_fields, entry_counts=entry_counts, gateway=gateway)
        self._documents = Documents(checks)

    def execute(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Answer:
        """Execute one operation.

        Args:
            query: The text of the document.
            operation_name: Which operation of the document; needed only where it has several.
            variables: Values by the name of the variable.

        Returns:
            GraphQL's answer: `data`, `errors` or both. Without `data` nothing was executed.
        """
        checked = self._documents.checked(query)
        if checked.document is None:
            return answers.refused(checked.errors)
        if (refusal := checked.refusal(operation_name, variables or {})) is not None:
            return answers.refused([refusal])
        result = execute_sync(
            self._executable,
            checked.document,
            root_value=PASS_THROUGH,
            context_value={},
            variable_values=dict(variables or {}),
            operation_name=operation_name,
            hide_suggestions=self._hides,
        )
        return answers.executed(result, self._gateway)

    def report(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Mapping[str, int] | None:
        """Return what the operation is expected to cost and what is allowed; `None` where nothing is measured."""
        weights = self._documents.checked(query).weights
        return None if weights is None else weights.report(operation_name, variables or {})

    def is_mutation(self, query: str, operation_name: str | None = None) -> bool:
        """Return whether *query*, executed under *operation_name*, would be a mutation."""
        document = self._documents.checked(query).document
        operation = get_operation_ast(document, operation_name) if document is not None else None
        return operation is not None and operation.operation is OperationType.MUTATION
