"""Where the values of a field come from, asked for all objects of one level at once.

A source is made once per schema. Both executors ask it: the compiled plan with every object of a level, graphql-core
with one object at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Arguments = Mapping[str, Any]
"""The arguments of a field as GraphQL coerced them, defaults included."""


class Operation(Protocol):
    """What all fields of one operation share, from its first read to its answer."""

    def check_time(self) -> None:
        """Go on, unless the operation has used up its time.

        Raises:
            UnavailableError: It has; nothing more is read or written for it.
        """

    def note_written(self, topic: str, position: str) -> None:
        """Remember that the operation has written up to the position token *position*, which its answer tells."""


class Source(Protocol):
    """The values of one field. Safe to use from several threads; blocks, unless it says otherwise."""

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        """Return the field's value for each of *parents*, in their order; an exception is the error of that one.

        Args:
            operation: The operation that asks.
            parents: The values above: records as mappings, and where the schema has interfaces or unions perhaps as
                pairs of their type's name and the mapping. Of a root field there is one, an empty mapping.
            arguments: The same for all parents, since they stand in the selection.
        """
