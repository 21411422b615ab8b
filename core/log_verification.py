"""Checks a whole command log: every record is read again and decided anew, beside what this machine holds.

A finding names topic, partition and offset, and what to do. No finding means that any machine that starts from nothing
arrives at what this one serves.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from core.command_log import CommandLog
from core.errors import UnknownEventError
from core.event_mapper import EventMapper
from core.log_index import LogIndex
from core.log_topic import LogTopic


class Verification:
    """A log that is read from its beginning into a throw-away index. Entering it reads.

    Args:
        topic: The log's topic, which exists.
        folder: Where the throw-away index may lie.

    Raises:
        UnsafeLogError: The topic could lose commands, or has lost some: it cannot be read from nothing.
        KafkaUnavailableError: The broker did not answer.
    """

    def __init__(self, topic: LogTopic, folder: Path) -> None:
        self._topic = topic
        self._folder = folder

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="verify-", dir=self._folder)
        try:
            self._log = CommandLog(self._topic, Path(self._temporary.name))
        except BaseException:
            self._temporary.cleanup()
            raise
        self.index = self._log.index
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._temporary.cleanup()

    def findings(self, live: LogIndex | None) -> Iterator[str]:
        """Yield what is wrong, a sentence each; *live* is the index that this machine serves from."""
        if (unreadable := self.index.unreadable()) is not None:
            yield str(unreadable)
        yield from self._gaps()
        yield from self._events()
        if live is not None:
            yield from differences(live, self.index, self._topic.name)

    def _gaps(self) -> Iterator[str]:
        for first, last in self.index.gaps():
            yield (
                f"{self._topic.name}[0]@{first} to {last} hold no record: removed by compaction, or markers of a"
                " transaction. If commands are missing, export a complete index and restore it into an empty cluster."
            )

    def _events(self) -> Iterator[str]:
        """Decode every event, and see that each originator's versions follow on one another."""
        mapper, heads = EventMapper(), dict[str, int]()
        for event_id, event in self.index.all_events():
            place = f"{self._topic.name}[0]@{event.offset}, position {event_id}"
            try:
                mapper.event(event)
            except UnknownEventError as error:
                yield f"{place}: {error}"
            head = heads.get(event.originator_id, 0)
            if event.originator_version != head + 1:
                yield (
                    f"{place}: version {event.originator_version} of {event.originator_id} follows on version"
                    f" {head}. It was not written by Quick; what depends on it cannot be folded."
                )
            heads[event.originator_id] = event.originator_version


def differences(live: LogIndex, rebuilt: LogIndex, topic: str) -> Iterator[str]:
    """Yield where two indexes of one log disagree first, up to the offset that both have reached."""
    until = min(live.next_offset(), rebuilt.next_offset())
    for pair in itertools.zip_longest(live.all_commands(until), rebuilt.all_commands(until)):
        if pair[0] != pair[1]:
            # Where one of the two lacks a command, the other's is the first difference.
            wrong = min((command for command in pair if command is not None), key=lambda command: command.offset)
            yield (
                f"{topic}[0]@{wrong.offset}, position {wrong.position}: the index of this machine holds something else"
                " than the log. Rebuild it: quick replay --view log --swap"
            )
            return
