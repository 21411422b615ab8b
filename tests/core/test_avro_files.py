"""Avro files: what was written can be read, whatever it is written to."""

from __future__ import annotations

import io
from typing import IO, Any, cast

import fastavro
import pytest

from core.avro_files import AvroFile
from core.errors import InvalidInputError, InvalidValueError

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "text", "type": "string"}]}


class Pieces:
    """Something that is written to and nothing else, as a pipe."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.written.append(piece)
        return len(piece)


def opened(pieces: Pieces, schema: Any = SCHEMA) -> AvroFile:
    return AvroFile(cast("IO[bytes]", pieces), schema)


def test_records_come_out_as_they_went_in_and_are_not_all_held() -> None:
    pieces = Pieces()
    file = opened(pieces)
    records = [{"text": f"{number} " + "x" * 10_000} for number in range(200)]
    for record in records:
        file.write(record)
    before_end = len(pieces.written)
    file.end()
    assert records == list(fastavro.reader(io.BytesIO(b"".join(pieces.written))))
    assert before_end > 1


def test_a_file_without_records_is_one_too() -> None:
    pieces = Pieces()
    opened(pieces).end()
    assert [] == list(fastavro.reader(io.BytesIO(b"".join(pieces.written))))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="does not fit"):
        opened(Pieces()).write({"text": 5})
    twice = {"type": "record", "name": "R", "fields": [{"name": "r", "type": SCHEMA}]}
    with pytest.raises(InvalidInputError, match="cannot be used"):
        opened(Pieces(), twice)
