"""`quick delete`: keys of a topic."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import msgspec
import rich_click as click

from cli.client import Manager, failing_with, in_path
from cli.command import NumbersCommand, examples
from cli.connection import CliError
from cli.ingest_client import Ingest
from cli.ingestion import MAX_BATCH_BYTES
from cli.options import ingest_options
from cli.output import counted

BATCH_SIZE = 500
"""Keys in a request, at most."""

RETRY_FOR_S = 60.0
"""How long a server is waited for that takes no keys now."""

_PLAIN_TYPES = ("STRING", "INTEGER", "LONG", "DOUBLE")

_EXAMPLES = (
    "quick delete product 123 456",
    "quick delete temperature -5",
    "quick delete purchase - < keys.txt",
    'quick delete route \'{"from": "FRA", "to": "JFK"}\'',
)


@click.command("delete", cls=NumbersCommand, epilog=examples(*_EXAMPLES))
@click.argument("topic")
@click.argument("keys", metavar="KEY…|-", nargs=-1, required=True)
@ingest_options
def delete(manager: Manager, ingest: Ingest, topic: str, keys: tuple[str, ...]) -> None:
    """Delete keys from a topic; - reads them from stdin, one a line. A key that is not there is no error.

    A key of type schema is written as JSON.
    """
    encoder = _Encoder(manager, topic)
    deleted = 0
    with ingest.session(retry_for_s=RETRY_FOR_S) as session:
        try:
            for batch in _batches(encoder.encoded(place, text) for place, text in _texts(keys)):
                session.send("DELETE", topic, batch, {})
                deleted += len(batch)
        except CliError as error:
            texts = [error.format_message(), f"Could not delete from topic {topic}"]  # noqa: S608 - no SQL
            if deleted or session.may_be_written:
                texts.append(f"{counted(deleted, 'key')} deleted before that. To repeat the command is harmless.")
            raise CliError("\n".join(texts)) from error
    click.echo(f"Deleted {counted(deleted, 'key')} from topic {topic}")


class _Encoder:
    """Keys as JSON: objects for a topic with keys of type schema, and texts, which the server reads, for any other.

    The manager is asked for the type only where it matters: not everybody who may write may ask.
    """

    def __init__(self, manager: Manager, topic: str) -> None:
        self._manager = manager
        self._topic = topic
        self._takes_objects: bool | None = None

    def encoded(self, place: str, text: str) -> bytes:
        """Return the JSON of a key."""
        if text.lstrip().startswith("{") and self._has_schema_keys():
            try:
                return bytes(msgspec.json.decode(text, type=msgspec.Raw))
            except msgspec.DecodeError as error:
                raise CliError(f"{place}: The key {text} cannot be read as JSON: {error}.") from error
        try:
            return msgspec.json.encode(text)
        except UnicodeEncodeError as error:
            raise CliError(f"{place}: The key cannot be sent: {error}. Write it in UTF-8.") from error

    def _has_schema_keys(self) -> bool:
        if self._takes_objects is None:
            with failing_with(f"Could not find out the type of the keys of topic {self._topic}"):
                found = self._manager.get(f"/topic/{in_path(self._topic)}")
            self._takes_objects = found["keyType"] not in _PLAIN_TYPES
        return self._takes_objects


def _texts(keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each key behind its place, for errors."""
    for number, key in enumerate(keys, start=1):
        if key == "-":
            yield from _lines_of_stdin()
        else:
            yield f"Key {number}", key


def _lines_of_stdin() -> Iterator[tuple[str, str]]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        text = line.decode(errors="surrogateescape").rstrip("\r\n")
        if text:
            yield f"stdin:{number}", text


def _batches(keys: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for key in keys:
        if batch and (len(batch) == BATCH_SIZE or size + len(key) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += len(key) + 1
    if batch:
        yield batch
