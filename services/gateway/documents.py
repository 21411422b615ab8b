"""Parsed and checked GraphQL documents of one schema; those used last are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from graphql import GraphQLSchema, get_operation_ast

from services.gateway.checks import CheckedDocument, Checks
from services.gateway.planned_operations import PlannedOperation, PlanRoom

MAX_DOCUMENTS: Final = 1_000
"""Most documents that are kept for one schema."""

MAX_CHARACTERS: Final = 200_000
"""Most characters of text of all kept documents. A parsed one takes some 240 bytes a character: 50 MB at most.

Their plans have a bound of their own, see `services.gateway.planned_operations`.
"""


class Documents:
    """Keeps documents that passed *checks*. Safe to use from several threads.

    Args:
        checks: What documents have to pass.
        schema: What they were checked against.
        max_documents: Most documents that are kept.
        max_characters: Most characters that their texts have together; a longer one is never kept.
    """

    def __init__(
        self,
        checks: Checks,
        schema: GraphQLSchema,
        *,
        max_documents: int = MAX_DOCUMENTS,
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self._checks = checks
        self._schema = schema
        self._max_documents = max_documents
        self._max_characters = max_characters
        self._kept: OrderedDict[str, CheckedDocument] = OrderedDict()
        self._characters = 0
        self._room = PlanRoom()
        self._lock = threading.Lock()

    def known(self, text: str) -> CheckedDocument | None:
        """Return the document of *text* if it is kept, `None` where it would have to be parsed."""
        return self._kept.get(text)

    def checked(self, text: str) -> CheckedDocument:
        """Return the document of *text*; one with errors is checked anew each time and takes no place."""
        with self._lock:
            if (kept := self._kept.get(text)) is not None:
                self._kept.move_to_end(text)
                return kept
        checked = self._checks.check(text)
        if not checked.errors:
            self._keep(text, checked)
        return checked

    def operation(self, checked: CheckedDocument, name: str | None) -> PlannedOperation | None:
        """Return the operation of a document that is executed under *name*, `None` where there is none; made once.

        Args:
            checked: The document.
            name: `None` where the client names none.
        """
        found = checked.operations.get(name)
        if found is None and checked.document is not None:
            node = get_operation_ast(checked.document, name)
            if node is not None:
                made = PlannedOperation(self._schema, checked.document, node, self._room)
                found = checked.operations.setdefault(name, made)
        return found

    def _keep(self, text: str, checked: CheckedDocument) -> None:
        with self._lock:
            if text in self._kept or len(text) > self._max_characters:
                return
            self._kept[text] = checked
            self._characters += len(text)
            while len(self._kept) > self._max_documents or self._characters > self._max_characters:
                oldest, _ = self._kept.popitem(last=False)
                self._characters -= len(oldest)
