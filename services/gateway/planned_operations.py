"""One operation of a document with its plans: one for each way in which conditions leave out fields."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

from services.gateway.argument_readers import VariableReader
from services.gateway.plan import Plan
from services.gateway.plan_compiler import NotPlannableError, compile_plan

MAX_PLANS: Final = 8
"""Most plans of one operation; graphql-core executes it where conditions have left out fields in more ways."""


MAX_FIELDS: Final = 60_000
"""Most fields of all plans of one schema, some 50 MB: a short document can have many, by fragments and interfaces."""


class PlanRoom:
    """How many fields more may be planned for one schema. Safe to use from several threads."""

    def __init__(self, max_fields: int = MAX_FIELDS) -> None:
        # The garbage collector may end a plan at any moment, also while this thread has the lock.
        self._lock = threading.RLock()
        self.left = max_fields

    def take(self, plan: Plan) -> bool:
        """Return whether there is room for *plan*, which has it from now on as long as it lives."""
        with self._lock:
            if self.left < plan.field_count:
                return False
            self.left -= plan.field_count
        weakref.finalize(plan, self._give, plan.field_count)
        return True

    def _give(self, fields: int) -> None:
        with self._lock:
            self.left += fields


class PlannedOperation:
    """An operation of a valid document. Safe to use from several threads.

    Args:
        schema: What the document was checked against.
        document: The document.
        node: The operation in it.
        room: For its plans; where there is none, graphql-core executes it.
    """

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode, room: PlanRoom
    ) -> None:
        self._room = room
        self.is_mutation = node.operation is OperationType.MUTATION
        self.variables = VariableReader(schema, node)
        self._schema = schema
        self._document = document
        self._node = node
        self._conditions = sorted(_condition_variables(document, node))
        self._plans: dict[tuple[Any, ...], Plan | None] = {}

    def plan(self, variables: Mapping[str, Any]) -> Plan | None:
        """Return the plan for the coerced *variables*, `None` where graphql-core has to execute the operation."""
        key = tuple([variables.get(name) for name in self._conditions])
        if key in self._plans:
            return self._plans[key]
        if len(self._plans) >= MAX_PLANS:
            return None
        conditions = {name: variables[name] for name in self._conditions if name in variables}
        try:
            plan: Plan | None = compile_plan(self._schema, self._document, self._node, conditions)
        except NotPlannableError:
            plan = None
        if plan is not None and not self._room.take(plan):
            return None  # There may be room the next time.
        return self._plans.setdefault(key, plan)


def _condition_variables(document: DocumentNode, node: OperationDefinitionNode) -> set[str]:
    """Return the names of the variables in `@skip` and `@include`, those in any fragment among them."""
    fragments = [part for part in document.definitions if isinstance(part, FragmentDefinitionNode)]
    declared = {definition.variable.name.value for definition in node.variable_definitions}
    found = {name for part in (node, *fragments) for name in _in_selections(part.selection_set)}
    return found & declared


def _in_selections(selection_set: SelectionSetNode | None) -> Iterator[str]:
    for selection in selection_set.selections if selection_set is not None else ():
        for directive in selection.directives:
            for argument in directive.arguments:
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
        below = getattr(selection, "selection_set", None)
        yield from _in_selections(below)
