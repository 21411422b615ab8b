"""Whether the operations of one document ask for too much, and what a client is told of their cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from core.gateway_settings import GraphQLLimits, LimitMode
from services.gateway.cost import Cost
from services.gateway.cost_sums import ENDLESS
from services.gateway.limits import Measure

logger = logging.getLogger(__name__)


class Weights:
    """What the operations of one valid document cost.

    Args:
        document: The document.
        costs: The cost of each operation by its name.
        limits: What is allowed.
        gateway: Name of the gateway, for the log.
    """

    def __init__(
        self, document: DocumentNode, costs: Mapping[str | None, Cost], limits: GraphQLLimits, gateway: str
    ) -> None:
        self._document = document
        self._costs = costs
        self._limits = limits
        self._gateway = gateway
        self._is_harmless = all(cost.fixed is not None and cost.fixed <= limits.max_cost for cost in costs.values())

    def refusal(self, operation_name: str | None, variables: Mapping[str, Any]) -> GraphQLError | None:
        """Return why the operation must not be executed; `None` where it may be, or where there is none of the name."""
        if self._is_harmless:
            return None
        cost = self._cost(operation_name)
        if cost is None or (number := cost.of(variables)) <= self._limits.max_cost:
            return None
        message = (
            f"The operation asks for {_number(number)} values, as far as is known before, and {self._limits.max_cost} "
            "are allowed. Give fewer keys, limit the lists, or split it."
        )
        if self._limits.mode is LimitMode.ENFORCE:
            return GraphQLError(message)
        logger.warning("Gateway %s would have refused an operation: %s", self._gateway, message)
        return None

    def report(self, operation_name: str | None, variables: Mapping[str, Any]) -> dict[str, int] | None:
        """Return cost, depth and fields of the operation and what is allowed, `None` where there is no such one."""
        cost, node = self._cost(operation_name), self._node(operation_name)
        if cost is None or node is None:
            return None
        size = Measure(self._document, self._limits.max_breadth).size(node)
        return {
            "cost": cost.of(variables),
            "maxCost": self._limits.max_cost,
            "depth": size.depth,
            "maxDepth": self._limits.max_depth,
            "fields": size.fields,
            "maxFields": self._limits.max_fields,
        }

    def _cost(self, operation_name: str | None) -> Cost | None:
        if operation_name is None and len(self._costs) == 1:
            return next(iter(self._costs.values()))
        return self._costs.get(operation_name)

    def _node(self, operation_name: str | None) -> OperationDefinitionNode | None:
        nodes = [node for node in self._document.definitions if isinstance(node, OperationDefinitionNode)]
        if operation_name is None:
            return nodes[0] if len(nodes) == 1 else None
        return next((node for node in nodes if node.name and node.name.value == operation_name), None)


def _number(count: int) -> str:
    return f"more than {ENDLESS}" if count >= ENDLESS else str(count)
