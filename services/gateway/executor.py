"""One gateway with one schema, ready to execute operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import OperationType, execute_sync, get_operation_ast

from core.rest_settings import RestSettings
from core.sdl import GatewaySchema, topics_of
from services.gateway import answers
from services.gateway.answers import Answer
from services.gateway.documents import Documents
from services.gateway.mirrors import MirrorReader
from services.gateway.operation import GatewayOperation
from services.gateway.resolvers import PASS_THROUGH
from services.gateway.rest_client import RestClient
from services.gateway.schema import build
from services.gateway.used_topics import NO_TOPICS, UsedTopics, used_topics
from services.gateway.writing import READ_ONLY, TopicWriter


class GatewayExecutor:
    """Executes operations of one gateway. Safe to use from several threads; blocks while it reads mirrors.

    Args:
        schema: What the gateway serves; a new schema needs a new executor.
        mirrors: Where the values are read.
        gateway: Name of the gateway, for the log.
        writer: Where mutations write.
        rest: Calls REST services; one with the settings' defaults where none is given.

    Attributes:
        topics: Names of the topics that the schema reads or writes.
    """

    def __init__(
        self,
        schema: GatewaySchema,
        mirrors: MirrorReader,
        gateway: str = "(unnamed)",
        writer: TopicWriter = READ_ONLY,
        rest: RestClient | None = None,
    ) -> None:
        self.topics = topics_of(schema)
        self._schema = schema
        self._gateway = gateway
        self._executable = build(schema, mirrors, writer, rest or RestClient(RestSettings())).graphql_schema
        self._documents = Documents(self._executable)

    def execute(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Answer:
        """Execute one operation.

        Args:
            query: The text of the document.
            operation_name: Which operation of the document; needed only where it has several.
            variables: Values by the name of the variable.

        Returns:
            GraphQL's answer: `data`, `errors` or both. Without `data` nothing was executed. What has written has
            `extensions` with `positions`, by the name of each topic.
        """
        checked = self._documents.checked(query)
        if checked.document is None:
            return answers.refused(checked.errors)
        operation = GatewayOperation()
        result = execute_sync(
            self._executable,
            checked.document,
            root_value=PASS_THROUGH,
            context_value=operation,
            variable_values=dict(variables or {}),
            operation_name=operation_name,
        )
        answer = answers.executed(result, self._gateway)
        if operation.positions:
            answer["extensions"] = {"positions": operation.positions}
        return answer

    def is_mutation(self, query: str, operation_name: str | None = None) -> bool:
        """Return whether *query*, executed under *operation_name*, would be a mutation."""
        document = self._documents.checked(query).document
        operation = get_operation_ast(document, operation_name) if document is not None else None
        return operation is not None and operation.operation is OperationType.MUTATION

    def used_topics(self, query: str, operation_name: str | None = None) -> UsedTopics:
        """Return the topics that *query*, executed under *operation_name*, would read and write."""
        document = self._documents.checked(query).document
        return NO_TOPICS if document is None else used_topics(self._schema, document, operation_name)
