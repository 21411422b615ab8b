"""Fields of a mutation that write to a topic: key and value in, the written value out.

What is returned is decoded from the written bytes, so that it is what a later query returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.errors import InvalidInputError, QuickError, TooLargeError
from core.kafka_writer import OutRecord
from services.gateway.keys import as_key
from services.gateway.mutation_errors import MutationError
from services.gateway.sources import Arguments, Operation
from services.gateway.writing import TopicWriter, WriteTarget

NO_KEY: Final = "key input in the mutation field should not be empty"


@dataclass(frozen=True, slots=True)
class MutationField:
    """What the schema says about a field that writes."""

    topic: str
    """Name of the topic."""
    key: str
    """Argument with the key, or with the list of keys."""
    value: str
    """Argument with the value, or with the list of as many values."""
    is_list: bool
    """Whether it writes a list of records."""
    is_nullable: bool
    """Whether the written value, or each of the list, may be null: only then a key can be deleted."""


class MutationSource:
    """Writes what a field is given; implements `services.gateway.sources.Source`.

    Args:
        field: What the schema says.
        writer: Where the records go.
    """

    def __init__(self, field: MutationField, writer: TopicWriter) -> None:
        self._field = field
        self._writer = writer

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        """Write once, and return what was written for the one parent; in a list, an error stands where one belongs."""
        try:
            written = self._written(operation, arguments)
        except QuickError as error:
            return [MutationError(error)] * len(parents)
        return [written] * len(parents)

    def _written(self, operation: Operation, arguments: Arguments) -> Any:
        pairs = self._pairs(arguments)
        target = self._writer.target(self._field.topic)
        records = self._records(target, pairs)
        operation.check_time()
        outcome = self._writer.write(target, records)
        if outcome.position is not None:
            operation.note_written(target.name, outcome.position)
        values = [
            MutationError(outcome.errors[index]) if index in outcome.errors else _shown(target, record)
            for index, record in enumerate(records)
        ]
        return values if self._field.is_list else values[0]

    def _pairs(self, arguments: Arguments) -> list[tuple[Any, Any]]:
        field = self._field
        key = arguments.get(field.key)
        if key is None:
            raise InvalidInputError(NO_KEY)
        if field.value not in arguments:
            raise InvalidInputError(f"The argument {field.value} is missing. Give a value; null deletes the key.")
        value = arguments[field.value]
        return _paired(field, key, value) if field.is_list else [(key, value)]

    def _records(self, target: WriteTarget, pairs: Sequence[tuple[Any, Any]]) -> list[OutRecord]:
        """Return the records of *pairs*; one that cannot be used is an error before any is written."""
        records = []
        for index, (key, value) in enumerate(pairs):
            try:
                records.append(self._record(target, key, value))
            except InvalidInputError as error:
                if len(pairs) == 1:
                    raise
                place = f" (record {index + 1} of {len(pairs)}; nothing was written)"
                kind = TooLargeError if isinstance(error, TooLargeError) else InvalidInputError
                raise kind(f"{error}{place}") from error
        return records

    def _record(self, target: WriteTarget, key: Any, value: Any) -> OutRecord:
        if key is None:
            raise InvalidInputError(NO_KEY)
        raw_key = target.keys.encode(target.keys.from_json(as_key(key, target.keys.type, target.name)))
        if value is None:
            self._refuse_delete(target)
            return OutRecord(raw_key, None)
        return OutRecord(raw_key, target.values.encode(target.values.from_json(value)))

    def _refuse_delete(self, target: WriteTarget) -> None:
        if target.is_immutable:
            raise InvalidInputError(
                f"The value is null, which deletes the key, and topic {target.name} is immutable: nothing of it is"
                " deleted. Give a value."
            )
        if not self._field.is_nullable:
            raise InvalidInputError(
                "The value is null, which deletes the key, and the schema declares what the mutation returns as"
                " non-null. Give a value, or let the field be nullable in the schema."
            )


def _paired(field: MutationField, keys: Any, values: Any) -> list[tuple[Any, Any]]:
    if values is None:
        raise InvalidInputError(
            f"The list {field.value} is null. Give a value for each key; a null in the list deletes its key."
        )
    if len(keys) != len(values):
        raise InvalidInputError(
            f"The list {field.key} has {len(keys)} elements and the list {field.value} has {len(values)}."
            " Give one value for each key, in the same order."
        )
    return list(zip(keys, values, strict=True))


def _shown(target: WriteTarget, record: OutRecord) -> Any:
    return None if record.value is None else target.values.to_json(target.values.decode(record.value))
