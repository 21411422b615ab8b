"""Restores an exported command log into an empty one: the same positions, times and schema IDs.

check      read the whole file and fold it into a throw-away index: what comes out must be what the file says
compare    the log must be empty, or hold the beginning of this file: a restore that was interrupted goes on
append     write the rest in order, each record with the time of its first append
confirm    fold it, and compare all positions
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

from core.command_log import CommandLog
from core.errors import ConflictError, InvalidInputError, LogError
from core.kafka_writer import OutRecord, RecordWriter
from core.log_export import ExportedCommand, ExportHeader, LogExport
from core.log_index import LogIndex
from core.log_rows import LogEntry
from core.record import encode

BATCH_RECORDS = 1_000
"""Records that are written or folded together."""

ACKNOWLEDGE_TIMEOUT_S = 60.0
"""Longest wait for Kafka to acknowledge a batch."""


class RestorePlan(NamedTuple):
    """What a restore would do."""

    commands: int
    """Commands of the file."""
    last_position: int
    present: int
    """Of those, the commands that the log holds already: an earlier restore was interrupted."""


class LogRestore:
    """The restore of one file. Entering it reads and checks the whole file; nothing is written before `run`.

    Args:
        file: An export.
        folder: Where the throw-away index may lie.

    Raises:
        InvalidInputError: The file is no complete export, or does not add up to what it says.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self._folder = folder

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="restore-", dir=self._folder)
        self.index = LogIndex(Path(self._temporary.name), "the file")
        try:
            for start, batch in _batches(self._commands()):
                _fold(self.index, start, batch)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.index.close()
        self._temporary.cleanup()

    def plan(self, log: LogIndex) -> RestorePlan:
        """Return what restoring into *log* would do.

        Raises:
            ConflictError: It holds something else than the beginning of the file.
        """
        present = 0
        for here, there in zip(_ids(log), _ids(self.index), strict=False):
            if here != there:
                raise ConflictError(
                    f"The command log is not empty: it holds the command {here}, where the file holds {there}."
                    " A log can be restored only into an empty one; use a new cluster or another log topic."
                )
            present += 1
        if log.command_count() > present:
            raise ConflictError(
                "The command log is not empty: it holds the whole file, and more behind it."
                " A log can be restored only into an empty one; use a new cluster or another log topic."
            )
        header = self._header()
        return RestorePlan(header.commands, header.last_position, present)

    def run(self, log: CommandLog, on_progress: Callable[[int], None]) -> RestorePlan:
        """Append what *log* lacks, and confirm that it is then what the file says.

        Args:
            log: The log to restore into.
            on_progress: Called with the number of commands that are in the log.

        Raises:
            ConflictError: The log holds something else, or somebody appended meanwhile.
            LogError: The log stands still or can no longer be followed: nobody could tell what is in it.
            UnavailableError: Kafka did not acknowledge; restore the same file again to go on.
        """
        if (failure := log.failure()) is not None:
            raise failure
        plan = self.plan(log.index)
        writer = RecordWriter(log.topic.bootstrap, linger_ms=5, delivery_timeout_s=ACKNOWLEDGE_TIMEOUT_S)
        done = plan.present
        try:
            for _, batch in _batches(islice(self._commands(), plan.present, None)):
                records = [OutRecord(None, encode(command.record)) for command in batch]
                writer.write(log.topic.name, records).result(2 * ACKNOWLEDGE_TIMEOUT_S)
                done += len(batch)
                on_progress(done)
            if done > plan.present:
                log.wait_until_folded(log.topic.end_offset() - 1, timeout_s=ACKNOWLEDGE_TIMEOUT_S)
        finally:
            writer.close()
        self._confirm(log.index)
        return plan

    def _confirm(self, log: LogIndex) -> None:
        if list(_ids_and_positions(log)) != list(_ids_and_positions(self.index)):
            raise ConflictError(
                "The log is not what the file says: something else was appended during the restore."
                " Stop what appends, and restore into a new cluster or another log topic."
            )

    def _commands(self) -> Iterator[ExportedCommand]:
        with self._file.open("rb") as file:
            yield from LogExport(file).commands()

    def _header(self) -> ExportHeader:
        with self._file.open("rb") as file:
            return LogExport(file).header


def _fold(index: LogIndex, start: int, batch: list[ExportedCommand]) -> None:
    """Fold *batch* as records at the offsets from *start* on, and compare what comes out with what the file says."""
    try:
        index.fold([LogEntry(start + i, 0, encode(command.record)) for i, command in enumerate(batch)])
    except LogError as error:
        raise InvalidInputError(f"The file is damaged: {error}") from error
    folded = {found.offset: found.position for found in index.commands_from(start, len(batch))}
    for i, command in enumerate(batch):
        if folded.get(start + i) != command.position:
            raise InvalidInputError(
                f"The file does not add up: command {start + i + 1} ({command.record.command_id}) stands at position"
                f" {command.position}, and restoring it would give {folded.get(start + i, 'none: it is refused')}."
                " Export it again."
            )


def _batches(commands: Iterator[ExportedCommand]) -> Iterator[tuple[int, list[ExportedCommand]]]:
    """Yield batches with the number of commands before each."""
    start = 0
    while batch := list(islice(commands, BATCH_RECORDS)):
        yield start, batch
        start += len(batch)


def _ids(index: LogIndex) -> Iterator[str]:
    return (command_id for command_id, _ in _ids_and_positions(index))


def _ids_and_positions(index: LogIndex) -> Iterator[tuple[str, int]]:
    return ((command.record.command_id, command.position) for command in index.all_commands())
