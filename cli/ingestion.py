"""One run of `quick ingest`: batches of a file's records, what the server acknowledged, and where to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO

import rich_click as click

from cli.connection import CliError
from cli.ingest_client import IngestSession, Outcome
from cli.output import counted
from cli.record_files import BrokenFileError, Entry, RecordFile

MAX_BATCH_BYTES = 1024 * 1024
"""Most bytes that are sent at once, unless one record has more: proxies allow no larger request by default."""

MAX_TOLD = 20
"""Bad records that are told one by one."""


class BadRecordsError(CliError):
    """Raised when records cannot be written; what is wrong with each was told before, so that it has no text."""


class Ingestion:
    """Records on their way from a file to a topic.

    Args:
        session: To the ingest service.
        topic: Where they go.
        file: Where they come from.
        parameters: Of each request.
        rejects: Takes the records that cannot be written, so that the others go on.
        is_dry: The server checks only; all of the file is checked, whatever is found.
        advance: Told after each batch how many records are done.
    """

    def __init__(
        self,
        session: IngestSession,
        topic: str,
        file: RecordFile,
        *,
        parameters: Mapping[str, str],
        rejects: IO[bytes] | None,
        is_dry: bool,
        advance: Callable[[int], None],
    ) -> None:
        self._session = session
        self._topic = topic
        self._file = file
        self._parameters = parameters
        self._rejects = rejects
        self._is_dry = is_dry
        self._advance = advance
        self._batch: Sequence[Entry] = ()
        """What is read and not settled yet."""
        self._done: set[int] = set()
        """Numbers of those in the batch that are in the topic."""
        self._next = 1
        self.written = 0
        """How many records are in the topic, or could be."""
        self.bad = 0
        """How many cannot be written."""
        self.position: str | None = None

    def run(self, start: int, batch_size: int) -> None:
        """Write the records from number *start* on.

        Raises:
            BadRecordsError: Some cannot be written, and were told.
            CliError: The file cannot be read any further, or the server does not answer as it should.
        """
        self._next = start
        for batch in batches(self._file.entries(start), batch_size):
            self._batch, self._done = batch, set()
            self._settle(batch)
            self._next, self._batch = batch[-1].following, ()
            self._advance(self.written + self.bad)

    @property
    def next_number(self) -> int:
        """Return the number of the first record that is not settled."""
        return next((entry.number for entry in self._batch if entry.number not in self._done), self._next)

    def standing(self) -> str:
        """Return what is written, exactly, for somebody who has to go on."""
        lines = []
        unit = self._file.unit
        rest = [entry.number for entry in self._batch if entry.number not in self._done]
        if rest and self._session.may_be_written and not self._is_dry:
            lines.append(
                f"The last batch ({unit}s {rest[0]} to {rest[-1]}) may have been written. Repeating it is harmless for"
                " a mutable topic: same keys, same values."
            )
        ahead = [number for number in sorted(self._done) if rest and number > rest[0]]
        if ahead:
            lines.append(f"Of the {unit}s from {rest[0]} on, these are written: {_ranges(ahead)}.")
        what = f"{self.written:,} {'record is' if self.written == 1 else 'records are'}"
        lines.append(f"Stopped. {what} {'checked, and none is written' if self._is_dry else 'written'}.")
        return "\n".join(lines)

    def tell_rest(self) -> None:
        """Tell how many bad records were not told one by one."""
        if self.bad > MAX_TOLD:
            click.echo(f"… and {counted(self.bad - MAX_TOLD, 'more bad record')}", err=True)

    def _settle(self, batch: Sequence[Entry]) -> None:
        """Have each record of *batch* written or rejected."""
        bad = {entry.number: entry.problem for entry in batch if entry.problem is not None}
        self._tell(bad)
        pending = [entry for entry in batch if entry.number not in bad]
        while pending:
            outcome = self._send(pending)
            self._count(pending, outcome)
            found = {pending[index].number: outcome.errors[index] for index in sorted(outcome.errors)}
            self._tell(found)
            bad |= found
            # Those that the server found no fault with in a refused batch are sent again without the others.
            pending = [] if self._is_dry else [e for e in pending if e.number not in bad and e.number not in self._done]
        if self._rejects is not None:
            self._rejects.writelines(entry.original + b"\n" for entry in batch if entry.number in bad)
            self._rejects.flush()

    def _send(self, entries: Sequence[Entry]) -> Outcome:
        pairs = [entry.pair for entry in entries]
        try:
            return self._session.send("POST", self._topic, pairs, {"verdicts": "true", **self._parameters})
        except CliError as error:
            first, last = entries[0].number, entries[-1].number
            where = f"{self._file.unit} {first}" if first == last else f"{self._file.unit}s {first} to {last}"
            raise CliError(f"{error.format_message()}\nCould not write {where} to topic {self._topic}") from error

    def _count(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        # What a dry run finds no fault with could be written, although the batch as a whole is refused.
        indexes = set(range(len(entries))) - outcome.errors.keys() if self._is_dry else outcome.written
        written = {entries[index].number for index in indexes}
        self._done |= written
        self.written += len(written)
        self.position = _later(self.position, outcome.position)
        self._session.may_be_written = False

    def _tell(self, bad: Mapping[int, str | None]) -> None:
        """Say what is wrong with each bad record, the first ones; stop unless they are to be passed over.

        Raises:
            BadRecordsError: They are not.
        """
        for number, problem in list(bad.items())[: max(MAX_TOLD - self.bad, 0)]:
            click.echo(f"{self._file.place(number)}: {problem}", err=True)
        self.bad += len(bad)
        if bad and self._rejects is None and not self._is_dry:
            raise BadRecordsError("")


def batches(entries: Iterable[Entry], size: int) -> Iterator[Sequence[Entry]]:
    """Yield *entries* in batches of at most *size*, and of at most `MAX_BATCH_BYTES` when sent.

    What was read before a file breaks is a batch too.
    """
    batch: list[Entry] = []
    batch_bytes = 2
    try:
        for entry in entries:
            needed = len(entry.pair) + 1
            if batch and (len(batch) == size or batch_bytes + needed > MAX_BATCH_BYTES):
                yield batch
                batch, batch_bytes = [], 2
            batch.append(entry)
            batch_bytes += needed
    except BrokenFileError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _later(before: str | None, position: str | None) -> str | None:
    """Return a position that includes both."""
    from core.errors import InvalidInputError  # noqa: PLC0415 - 100 ms that help texts do not need
    from core.position import Position  # noqa: PLC0415 - as above

    if before is None or position is None:
        return position or before
    try:
        return Position.parse(before).joined(Position.parse(position)).token()
    except InvalidInputError:  # Of a server that writes them in another way.
        return position


def _ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers as 1, 3-5."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)
