"""Rebuilds views beside the live ones from the beginning of the log, compares, and swaps when asked.

Nothing else happens: a replay folds, and effects belong to the reconcilers, which look at the live views only. What a
swap replaces is replaced in one transaction of the live store, so that every reader sees the old view or the new one.

    log        the index of the command log, from Kafka's records
    registry   topics, gateways and the rest, from the accepted events
    status     the outcomes of the reconcilers, from their topic
"""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec

from core.command_log import CommandLog
from core.errors import UnavailableError
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.log_fold import LAST_ID, LAST_RECORD, NEXT_OFFSET
from core.log_index import LogIndex
from core.log_rows import TABLES as LOG_TABLES
from core.log_topic import LogTopic
from core.settings import Settings
from core.store import Difference, Reader, Store, Writer, copy_tables, differences, key_number
from projections.places import ViewFolder
from projections.registry import NOUNS, RegistryProjection
from projections.registry import POSITION as REGISTRY_POSITION
from projections.registry import TABLES as REGISTRY_TABLES
from projections.registry_folder import RegistryFolder
from projections.status import NEXT_OFFSET as STATUS_OFFSET
from projections.status import TABLES as STATUS_TABLES
from projections.status import StatusProjection

VIEWS = ("log", "registry", "status")

MEETING_TIMEOUT_S = 30.0
"""How long it is tried to find both views at one position, when the live one moves on all the time."""

CATCH_UP_TIMEOUT_S = 600.0
"""Longest wait until the log is read again."""

_RECORDS_PER_POLL = 10_000
_POLL_S = 0.2


class ViewDifference(NamedTuple):
    """One entry in which the live view and the rebuilt one differ; `None` where one of them has none."""

    entry: str
    live: Any
    rebuilt: Any


class Replayed(NamedTuple):
    """What came of a replay."""

    position: int
    """Where both views stood: a position for `registry`, an offset for `log` and `status`."""
    differences: int
    is_swapped: bool


class Replay(ABC):
    """One view, rebuilt beside the live one."""

    tables: ClassVar[tuple[str, ...]]
    """What is compared and swapped."""
    position_key: ClassVar[bytes]
    copied_meta: ClassVar[tuple[bytes, ...]] = ()
    """What is swapped with the tables, beside the position, which is the same."""

    def __init__(self, live: Store, rebuilt: Store) -> None:
        self._live = live
        self._rebuilt = rebuilt

    @abstractmethod
    def catch_up(self, position: int) -> None:
        """Fold the rebuilt view up to *position*."""

    @abstractmethod
    def shown(self, difference: Difference) -> ViewDifference:
        """Return a difference in words."""

    def compare(self, report: Callable[[ViewDifference], None]) -> Replayed:
        """Report every difference at one moment of the live view, to which the rebuilt one is folded.

        Raises:
            UnavailableError: The rebuilt view was folded further each time.
        """
        for _ in self._attempts():
            with self._live.read() as live:
                self.catch_up(position := self._at(live))
                with self._rebuilt.read() as rebuilt:
                    if position == self._at(rebuilt):
                        found = [self.shown(each) for each in differences(live, rebuilt, self.tables)]
                        for difference in found:
                            report(difference)
                        return Replayed(position, len(found), is_swapped=False)
        raise UnavailableError("The live view moved on all the time. Replay again when there is less to do.")

    def swap(self) -> None:
        """Put the rebuilt view in the place of the live one, in one transaction.

        Raises:
            UnavailableError: The live view moved on each time that the rebuilt one had caught up.
        """
        for _ in self._attempts():
            self.catch_up(self._position(self._live))
            with self._rebuilt.read() as rebuilt:
                if self._live.update(partial(self._swapped, rebuilt)):
                    return
        raise UnavailableError("The live view moved on all the time. Replay again when there is less to do.")

    def _swapped(self, rebuilt: Reader, live: Writer) -> bool:
        """Copy, if both stand at the same position: the live view cannot move while this transaction is open."""
        if self._at(live) != self._at(rebuilt):
            return False
        copy_tables(live, rebuilt, self.tables)
        for key in self.copied_meta:
            if (value := rebuilt.get("meta", key)) is not None:
                live.put("meta", key, value)
        return True

    def _attempts(self) -> Iterator[None]:
        """Yield for each attempt to find both views at one position, after the rebuilt one has caught up once."""
        self.catch_up(self._position(self._live))
        deadline = time.monotonic() + MEETING_TIMEOUT_S
        while time.monotonic() < deadline:
            yield

    def _position(self, store: Store) -> int:
        with store.read() as txn:
            return self._at(txn)

    def _at(self, txn: Reader) -> int:
        raw = txn.get("meta", self.position_key)
        return 0 if raw is None else key_number(raw)


class LogReplay(Replay):
    """The index of the command log, from Kafka's records: what a new machine would have."""

    tables = tuple(table for table in LOG_TABLES if table != "meta")
    position_key = NEXT_OFFSET
    copied_meta = (LAST_ID, LAST_RECORD)

    def __init__(self, live: Store, log: CommandLog) -> None:
        super().__init__(live, log.index.store)
        self._log = log

    def catch_up(self, position: int) -> None:
        """Let the throw-away log fold what the live one has, and no more, however much is appended meanwhile."""
        self._log.fold_to(position, CATCH_UP_TIMEOUT_S)

    def shown(self, difference: Difference) -> ViewDifference:
        """Return the entry by table and key; most keys are hashes."""
        live, rebuilt = (None if raw is None else raw.decode("utf-8", "backslashreplace") for raw in difference[2:])
        return ViewDifference(f"{difference.table}/{difference.key.hex()}", live, rebuilt)


class RegistryReplay(Replay):
    """The registry, from the accepted events."""

    tables = tuple(NOUNS)
    position_key = REGISTRY_POSITION

    def __init__(self, live: Store, rebuilt: RegistryProjection, index: LogIndex) -> None:
        super().__init__(live, rebuilt.store)
        self._folder = RegistryFolder(index, rebuilt)

    def catch_up(self, position: int) -> None:
        """Fold the events that the live registry has folded."""
        self._folder.fold_to(position)

    def shown(self, difference: Difference) -> ViewDifference:
        """Return the row by noun and name."""
        decode = NOUNS[difference.table].decoder.decode
        rows = [None if raw is None else msgspec.to_builtins(decode(raw)) for raw in difference[2:]]
        state = next(row["state"] for row in rows if row is not None)
        return ViewDifference(f"{difference.table}/{state.get('name', state.get('schema_id'))}", *rows)


class StatusReplay(Replay):
    """The outcomes of the reconcilers, from their topic."""

    tables = ("status",)
    position_key = STATUS_OFFSET

    def __init__(self, live: Store, rebuilt: StatusProjection, consumer: TopicsConsumer) -> None:
        super().__init__(live, rebuilt.store)
        self._projection = rebuilt
        self._consumer = consumer

    def catch_up(self, position: int) -> None:
        """Read the topic on to *position*, which the broker has handed out before."""
        while self._projection.next_offset() < position:
            if records := self._consumer.poll(limit=_RECORDS_PER_POLL, timeout_s=_POLL_S).records:
                self._projection.fold(records)

    def shown(self, difference: Difference) -> ViewDifference:
        """Return the status by its key in the topic."""
        live, rebuilt = (None if raw is None else msgspec.json.decode(raw) for raw in difference[2:])
        return ViewDifference(difference.key[1:].decode("utf-8", "replace"), live, rebuilt)


@contextmanager
def replay(view: str, settings: Settings, folder: ViewFolder, log_path: Path, scratch: Path) -> Iterator[Replay]:
    """Rebuild *view* in a throw-away folder beside the live one.

    Args:
        view: One of `VIEWS`.
        settings: The settings of the machine whose views are replayed.
        folder: Its live views.
        log_path: The live index of its command log.
        scratch: Where the throw-away folder may lie.
    """
    with tempfile.TemporaryDirectory(prefix="replay-", dir=scratch) as name:
        beside = Path(name)
        if view == "log":
            log = CommandLog(LogTopic(settings.kafka, settings.log_topic), beside, limit=0)
            with closing(log), Store(log_path, LOG_TABLES) as live:
                yield LogReplay(live, log)
        elif view == "registry":
            index, registry = LogIndex(log_path, settings.log_topic, readonly=True), RegistryProjection(beside)
            with closing(index), closing(registry), Store(folder.registry, REGISTRY_TABLES) as live:
                yield RegistryReplay(live, registry, index)
        else:
            status, consumer = StatusProjection(beside, _topic_id(settings)), TopicsConsumer(settings.kafka)
            consumer.assign({(settings.status_topic, 0): 0})
            with closing(status), closing(consumer), Store(folder.status, STATUS_TABLES) as live:
                yield StatusReplay(live, status, consumer)


def _topic_id(settings: Settings) -> str:
    facts = KafkaAdmin(settings.kafka).describe(settings.status_topic)
    if facts is None:
        raise UnavailableError(f"Kafka has no topic {settings.status_topic}. Start Quick, which makes it.")
    return facts.topic_id
