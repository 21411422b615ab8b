"""Avro object container files, written record by record."""

from __future__ import annotations

import io
from typing import IO, Any, Final

import fastavro
import fastavro.write
from fastavro.schema import SchemaParseException

from core.errors import InvalidInputError, InvalidValueError

_BLOCK_BYTES: Final = 256 * 1024
"""Size of a block before it is compressed: about so much is held."""

_UNWRITABLE: Final = (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError)


class AvroFile:
    """A file that any Avro tool reads, compressed.

    Args:
        out: Where it is written to; it need not be seekable.
        schema: Of its records.

    Raises:
        InvalidInputError: The schema cannot be used.
    """

    def __init__(self, out: IO[bytes], schema: Any) -> None:
        try:
            parsed = fastavro.parse_schema(schema)
        except SchemaParseException as error:
            raise InvalidInputError(f"The schema of the file cannot be used: {error}.") from error
        self._out = out
        self._held = io.BytesIO()
        self._writer = fastavro.write.Writer(self._held, parsed, codec="deflate", sync_interval=_BLOCK_BYTES)

    def write(self, record: Any) -> None:
        """Write one record.

        Raises:
            InvalidValueError: It does not fit the schema; the file can only be given up then.
        """
        try:
            self._writer.write(record)
        except _UNWRITABLE as error:
            raise InvalidValueError(f"The record does not fit the schema of the file: {error}.") from error
        if self._held.tell():
            self._pass_on()

    def end(self) -> None:
        """Write what is held back."""
        self._writer.flush()
        self._pass_on()

    def _pass_on(self) -> None:
        self._out.write(self._held.getvalue())
        self._held.seek(0)
        self._held.truncate()
