"""One gateway with one schema, ready to execute operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, execute_sync, is_abstract_type

from core.gateway_settings import GatewaySettings
from core.rest_settings import RestSettings
from core.sdl import GatewaySchema, topics_of
from services.gateway import answers
from services.gateway.answers import Answer
from services.gateway.checks import CheckedDocument, Checks
from services.gateway.cost import EntryCounts
from services.gateway.documents import Documents
from services.gateway.mirrors import MirrorReader
from services.gateway.operations import RunningOperation
from services.gateway.plan import Plan
from services.gateway.planned_operations import PlannedOperation
from services.gateway.records import PASS_THROUGH
from services.gateway.rest_client import RestClient
from services.gateway.schema import build
from services.gateway.topic_threads import TopicThreads
from services.gateway.used_topics import NO_TOPICS, UsedTopics, used_topics
from services.gateway.writing import READ_ONLY, TopicWriter

QUICK_KEYS: Final = 500
"""Keys that are read and shown at once in the event loop: some milliseconds, in which others wait.

They would wait in any case: a thread that reads and shows keeps Python's lock for 5 ms, and pays for getting it.
"""

_DEFAULTS: Final = GatewaySettings()


class GatewayExecutor:
    """Prepares and executes operations of one gateway. Safe to use from several threads.

    Args:
        schema: What the gateway serves; a new schema needs a new executor.
        mirrors: Where the values are read.
        gateway: Name of the gateway, for the log.
        writer: Where mutations write.
        rest: Calls REST services; one with the settings' defaults where none is given.
        settings: What operations may ask for, and how long they may take.
        entry_counts: Tells how many entries a topic has, where that is known.
        uses_plans: Whether operations are executed by plans where they can be; graphql-core gives the same answers.
        threads: In which a plan reads several topics at the same time.

    Attributes:
        topics: Names of the topics that the schema reads or writes.
    """

    def __init__(
        self,
        schema: GatewaySchema,
        mirrors: MirrorReader,
        gateway: str = "(unnamed)",
        *,
        writer: TopicWriter = READ_ONLY,
        rest: RestClient | None = None,
        settings: GatewaySettings = _DEFAULTS,
        entry_counts: EntryCounts | None = None,
        uses_plans: bool = True,
        threads: TopicThreads | None = None,
    ) -> None:
        self.topics = topics_of(schema)
        self._schema = schema
        self.gateway = gateway
        self.uses_plans = uses_plans
        self.executable: GraphQLSchema = build(schema, writer, rest or RestClient(RestSettings())).graphql_schema
        self._mirrors = mirrors
        checks = Checks(self.executable, settings, schema.topic_fields, entry_counts=entry_counts, gateway=gateway)
        self._documents = Documents(checks, self.executable)
        self._timeout_s = settings.timeout_s or None
        self._threads = threads
        self.hides_schema = not settings.introspection
        self._names_types = any(is_abstract_type(type_) for type_ in self.executable.type_map.values())

    def prepare(
        self,
        query: str,
        operation_name: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> PreparedOperation:
        """Return an operation that is ready to be executed, once, or to say why it cannot be.

        Args:
            query: The text of the document. One that is new is parsed and checked, which can take milliseconds.
            operation_name: Which operation of the document; needed only where it has several.
            variables: Values by the name of the variable.
        """
        return self._prepared(self._documents.checked(query), operation_name, variables)

    def prepare_known(
        self,
        query: str,
        operation_name: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> PreparedOperation | None:
        """Return what `prepare` does, in microseconds, or `None` where the document was not seen lately."""
        known = self._documents.known(query)
        return None if known is None else self._prepared(known, operation_name, variables)

    def execute(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Answer:
        """Execute one operation; see `prepare`. Blocks while it reads.

        Returns:
            GraphQL's answer: `data`, `errors` or both. Without `data` nothing was executed. What has written has
            `extensions` with `positions`, by the name of each topic.
        """
        return self.prepare(query, operation_name, variables).execute()

    def is_mutation(self, query: str, operation_name: str | None = None) -> bool:
        """Return whether *query*, executed under *operation_name*, would be a mutation."""
        operation = self._documents.operation(self._documents.checked(query), operation_name)
        return operation is not None and operation.is_mutation

    def report(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Mapping[str, int] | None:
        """Return what the operation is expected to cost and what is allowed; `None` where nothing is measured."""
        weights = self._documents.checked(query).weights
        return None if weights is None else weights.report(operation_name, variables or {})

    def used_topics(self, query: str, operation_name: str | None = None) -> UsedTopics:
        """Return the topics that *query*, executed under *operation_name*, would read and write."""
        document = self._documents.checked(query).document
        return NO_TOPICS if document is None else used_topics(self._schema, document, operation_name)

    def _prepared(
        self,
        checked: CheckedDocument,
        operation_name: str | None,
        variables: Mapping[str, Any] | None,
    ) -> PreparedOperation:
        operation = self._documents.operation(checked, operation_name)
        reading = self._mirrors.begin(names_types=self._names_types)
        running = RunningOperation(reading, self._timeout_s, self._threads)
        return PreparedOperation(self, checked, operation, operation_name, variables or {}, running)


class PreparedOperation:
    """One operation of one request. Made by `GatewayExecutor.prepare`; executed once."""

    def __init__(
        self,
        executor: GatewayExecutor,
        checked: CheckedDocument,
        operation: PlannedOperation | None,
        operation_name: str | None,
        variables: Mapping[str, Any],
        running: RunningOperation,
    ) -> None:
        self._executor = executor
        self._checked = checked
        self._operation_name = operation_name
        self._given = variables
        self._running = running
        self._operation = operation
        coerced = None if operation is None else operation.variables.read(variables)
        self._variables: Mapping[str, Any] | None = None if isinstance(coerced, list) else coerced
        self._refusal = checked.refusal(operation_name, variables)
        self._plan = None if self._refusal is not None else self._found_plan()

    @property
    def is_mutation(self) -> bool:
        """Whether it writes."""
        return self._operation is not None and self._operation.is_mutation

    @property
    def is_quick(self) -> bool:
        """Whether it takes some milliseconds at most and waits for nothing, so that it may run in an event loop.

        It reads a few keys of mirrors that are open and ready, or has errors and reads nothing.
        """
        plan = self._plan
        if plan is None:
            return self._operation is None or self._variables is None or self._refusal is not None
        try:
            if plan.key_count(self._variables or {}) > QUICK_KEYS:
                return False
        except GraphQLError:  # A variable that cannot be what it is: graphql-core tells it.
            return False
        is_at_hand = self._running.reading.is_at_hand
        return all(is_at_hand(topic) for topic in plan.topics)

    def execute(self) -> Answer:
        """Execute it and return the answer, which goes to the client as it is; blocks unless it `is_quick`."""
        try:
            answer = self._planned()
            return self._executed() if answer is None else answer
        finally:
            self._running.reading.close()

    def _found_plan(self) -> Plan | None:
        if self._operation is None or self._variables is None or not self._executor.uses_plans:
            return None
        return self._operation.plan(self._variables)

    def _planned(self) -> Answer | None:
        """Return the answer of the plan, `None` where there is no plan, or something is not as it expects it."""
        if self._plan is None or self._variables is None:
            return None
        try:
            data = self._plan.execute(self._running, self._variables)
        except Exception:  # noqa: BLE001  Whatever it is: graphql-core meets it again, and tells it where it belongs.
            self._running.recall()
            return None
        return answers.complete(data, self._running.positions)

    def _executed(self) -> Answer:
        """Return the answer of graphql-core."""
        document = self._checked.document
        if document is None:
            return answers.refused(self._checked.errors)
        if self._refusal is not None:
            return answers.refused([self._refusal])
        result = execute_sync(
            self._executor.executable,
            document,
            root_value=PASS_THROUGH,
            context_value=self._running,
            variable_values=dict(self._given),
            operation_name=self._operation_name,
            hide_suggestions=self._executor.hides_schema,
        )
        assert isinstance(result, ExecutionResult), "no resolver returns an awaitable"
        return answers.executed(result, self._executor.gateway, self._running.positions)
