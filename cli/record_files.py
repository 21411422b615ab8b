"""Files of records: what they hold, one by one, as JSON pairs of a key and a value.

Whatever the size of a file, one record of it is in memory. A record that cannot be used is handed out with its problem,
so that its reader decides; only a file that cannot be read any further ends the reading.
"""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
import rich_click as click

from cli.connection import CliError
from cli.csv_rows import CsvRows
from cli.json_elements import BrokenListError, elements

MAX_RECORD_BYTES = 10 * 1024 * 1024
"""Longest line or element that is read: the ingest service takes no larger request."""

FORMATS = ("json", "ndjson", "csv")

_EXTENSIONS = {".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}
_FIRST_BYTES = {b"[": "json", b"{": "ndjson"}
_BLANK = b" \t\r\n"
_UTF_8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_HEAD_BYTES = 64 * 1024


class Entry(NamedTuple):
    """One record of a file."""

    number: int
    """Of the line at which it begins, or of the element; from 1."""

    following: int
    """Number of the line or element behind it."""

    original: bytes
    """As one line of JSON wherever it is JSON."""

    pair: bytes
    """JSON to be sent; empty where there is a problem."""

    problem: str | None = None
    """Why it cannot be used."""


class Fields(NamedTuple):
    """Which fields of a plain object make a pair."""

    key: str | None
    """`None` for objects that are pairs already."""
    value: str | None
    """`None` for the whole object."""


class Source:
    """The bytes of a file or of stdin, without a byte order mark.

    Raises:
        BrokenFileError: It cannot be read, or is a text of another encoding.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self.given = "-" if file is _stdin() else os.fsdecode(file.name)
        """As the command line has it."""
        self.name = "stdin" if self.given == "-" else self.given
        self._file = file
        self.bytes_read = 0
        """How much of the file was read, a buffer ahead of what was handed out."""
        self.size = _size_of(file)
        """`None` for what has no size, as a pipe."""
        self._head = self._read_head()
        self._buffered = io.BufferedReader(_Raw(self._next))

    def first_byte(self) -> bytes:
        """Return the first byte that is not blank."""
        return self._head.lstrip(_BLANK)[:1]

    def read(self, size: int) -> bytes:
        """Return the next bytes, as many as there are at once; none at the end."""
        return self._buffered.read1(size)

    def read_line(self, number: int) -> bytes:
        """Return the next line with its end, none at the end of the file; *number* is for the error."""
        line = self._buffered.readline(MAX_RECORD_BYTES + 1)
        if len(line) > MAX_RECORD_BYTES:
            raise BrokenFileError(f"{self.name}:{number}", f"The line is longer than {MAX_RECORD_BYTES:,} bytes.")
        return line

    def read_all(self) -> bytes:
        """Return all that remains, or too much for one record."""
        return self._buffered.read(MAX_RECORD_BYTES + 1)

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < _HEAD_BYTES and not head.lstrip(_BLANK) and (piece := self._read(_HEAD_BYTES)):
            head += piece
        if encoding := _OTHER_BOMS.get(head[:2]):
            raise BrokenFileError(
                f"{self.name}:1",
                f"The file is {encoding}, and only UTF-8 is read. Convert it: iconv -f {encoding} -t UTF-8",
            )
        return head.removeprefix(_UTF_8_BOM)

    def _next(self, size: int) -> bytes:
        if not self._head:
            return self._read(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece

    def _read(self, size: int) -> bytes:
        try:
            piece = self._file.read1(size)
        except OSError as error:
            raise BrokenFileError(self.name, f"Cannot read it any further: {error.strerror}.") from error
        self.bytes_read += len(piece)
        return piece


class RecordFile(Protocol):
    """A file of one format."""

    unit: str
    """What its numbers count."""

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the records from number *start* on.

        Raises:
            BrokenFileError: It cannot be read any further.
        """

    def place(self, number: int) -> str:
        """Return how an error names a place."""


class BrokenFileError(CliError):
    """Raised when a file cannot be read any further."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")


class InputFile(click.ParamType[io.BufferedReader]):
    """A file to read, `-` for stdin; one that cannot be read is a mistake on the command line."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> io.BufferedReader:
        """Open the file."""
        if value == "-" and (stdin := _stdin()) is not None:
            return stdin
        try:
            file = open(value, "rb")  # noqa: PTH123, SIM115 - the name is shown as given; closed with the context
        except OSError as error:
            raise click.UsageError(f"argument FILE: can't open '{value}': {error.strerror}", ctx) from error
        if ctx is not None:
            ctx.call_on_close(file.close)
        return file


def format_of(source: Source, said: str | None) -> str:
    """Return the format of a file: as it was said, or as its name or its first byte tells.

    Raises:
        UsageError: Nothing tells it.
    """
    extension = os.path.splitext(source.name)[1].lower()  # noqa: PTH122 - the name may be stdin
    found = said or _EXTENSIONS.get(extension) or _FIRST_BYTES.get(source.first_byte())
    if found is None:
        raise click.UsageError(f"The format of {source.name} cannot be told. Say --format {'|'.join(FORMATS)}.")
    return found


class NdjsonFile:
    """A record a line; blank lines are passed over."""

    unit = "line"

    def __init__(self, source: Source, fields: Fields) -> None:
        self._source = source
        self._fields = fields

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the records from line *start* on."""
        number = 1
        while line := self._source.read_line(number):
            if number >= start and (text := line.strip(_BLANK)):
                yield _json_entry(number, text, self._fields)
            number += 1

    def place(self, number: int) -> str:
        """Return how an error names a line."""
        return f"{self._source.name}:{number}"


class JsonFile:
    """A list of records, or one record."""

    unit = "element"

    def __init__(self, source: Source, fields: Fields) -> None:
        self._source = source
        self._fields = fields

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the records from element *start* on."""
        if self._source.first_byte() == b"{":
            yield from self._only_one(start)
            return
        try:
            texts = elements(self._source.read, max_bytes=MAX_RECORD_BYTES)
            for number, text in enumerate(texts, start=1):
                if number >= start:
                    yield _json_entry(number, text, self._fields)
        except BrokenListError as error:
            raise BrokenFileError(self.place(error.element), str(error)) from error

    def place(self, number: int) -> str:
        """Return how an error names an element."""
        return f"{self._source.name}: element {number}"

    def _only_one(self, start: int) -> Iterator[Entry]:
        text = self._source.read_all().strip(_BLANK)
        entry = _json_entry(1, text, self._fields)
        if entry.problem is not None and b"\n" in text:
            entry = entry._replace(problem=f"{entry.problem} If it is an object a line, say --format ndjson.")
        if start == 1:
            yield entry


class CsvFile:
    """A row of cells a record, below a header."""

    unit = "line"

    def __init__(self, source: Source, fields: Fields, delimiter: str, topic: Callable[[], Mapping[str, Any]]) -> None:
        self._source = source
        self._row_lines: list[bytes] = []
        self._encoding_problem: str | None = None
        csv.field_size_limit(MAX_RECORD_BYTES)
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)
        header = self._header()
        assert fields.key is not None, "asked for by the command"
        self._rows = CsvRows(header, fields.key, fields.value, topic())

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the records from line *start* on."""
        while True:
            number = self._reader.line_num + 1
            self._row_lines = []
            self._encoding_problem = None
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = []
                problem: str | None = _csv_problem(error)
            else:
                problem = self._encoding_problem or (self._rows.problem(row) if row else None)
            if number >= start and (row or problem is not None):
                yield self._entry(number, row, problem)

    def place(self, number: int) -> str:
        """Return how an error names a line."""
        return f"{self._source.name}:{number}"

    def _entry(self, number: int, row: list[str], problem: str | None) -> Entry:
        following = self._reader.line_num + 1
        if problem is None:
            pair = self._rows.pair(row)
            return Entry(number, following, pair, pair)
        text = b"".join(self._row_lines).decode(errors="replace").rstrip("\r\n")
        return Entry(number, following, msgspec.json.encode(text), b"", problem)

    def _header(self) -> list[str]:
        try:
            header = next((row for row in self._reader if row), [])
        except csv.Error as error:
            raise BrokenFileError(self.place(self._reader.line_num), _csv_problem(error)) from error
        if not header:
            raise BrokenFileError(self.place(1), "The file is empty. Its first line has to name the columns.")
        if self._encoding_problem is not None:
            raise BrokenFileError(self.place(self._reader.line_num), self._encoding_problem)
        return header

    def _lines(self) -> Iterator[str]:
        number = 1
        while line := self._source.read_line(number):
            self._row_lines.append(line)
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self._encoding_problem = _encoding_problem(error)
                yield line.decode(errors="replace")
            number += 1


class _Raw(io.RawIOBase):
    """What io's buffers read from, made of a function."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Pair(msgspec.Struct):
    key: msgspec.Raw
    value: msgspec.Raw


_PAIR = msgspec.json.Decoder(_Pair)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _json_entry(number: int, text: bytes, fields: Fields) -> Entry:
    try:
        text.decode()
        pair = _pair(text, fields)
    except UnicodeDecodeError as error:
        problem = _encoding_problem(error)
    except msgspec.ValidationError:
        problem = "It is no JSON object, and --key needs one."
        if fields.key is None:
            problem = (
                'It is no record. Write {"key": …, "value": …}, or name the field that is the key with --key FIELD.'
            )
    except (msgspec.DecodeError, RecursionError) as error:
        problem = f"It cannot be read as JSON: {error}."
    except KeyError as error:
        problem = f"It has no field {error.args[0]}, which --key or --value names."
    else:
        return Entry(number, number + 1, _in_one_line(text), pair)
    return Entry(number, number + 1, b" ".join(text.splitlines()), b"", problem)


def _pair(text: bytes, fields: Fields) -> bytes:
    if fields.key is None:
        _PAIR.decode(text)
        return text
    found = _OBJECT.decode(text)
    value = text if fields.value is None else bytes(found[fields.value])
    return b'{"key":%b,"value":%b}' % (bytes(found[fields.key]), value)


def _in_one_line(text: bytes) -> bytes:
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def _encoding_problem(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"It is not UTF-8: byte {byte:#x} at {error.start}. Convert the file, as: iconv -f LATIN1 -t UTF-8"


def _csv_problem(error: csv.Error) -> str:
    what = str(error)
    if "field larger than" in what or "unexpected end" in what:
        return "A quote is opened here, and not closed."
    return f"It cannot be read as CSV: {what}."


def _size_of(file: io.BufferedReader) -> int | None:
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _stdin() -> io.BufferedReader | None:
    buffer = getattr(sys.stdin, "buffer", None)
    return buffer if isinstance(buffer, io.BufferedReader) else None
