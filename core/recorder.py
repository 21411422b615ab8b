"""The command log as a persistence module of the eventsourcing library: `PERSISTENCE_MODULE=core.recorder`.

One application per Kafka topic. A notification ID counts accepted events, 1, 2, 3 … without gaps; it is the same on
every machine and says nothing about offsets: records that the acceptance rule refuses have an offset and no ID.

Settings, in the library's environment mapping or the process's:

    QUICK_KAFKA_BOOTSTRAP_SERVER   brokers, required
    QUICK_LOG_TOPIC                the topic, created when absent; default: the application's name
    QUICK_DATA_DIR                 folder of the index; a temporary one when unset
    QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR   replicas of a topic that has to be created, 1 when unset
    ORIGINATOR_ID_TYPE             `uuid` (default) or `text`, as in the library's own modules
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    IntegrityError,
    Notification,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.utils import Environment, resolve_topic

from core.command_log import CommandLog
from core.errors import CommandNotRecordedError, CommandRepeatedError, QuickError
from core.local_recorders import LocalSnapshotRecorder, LocalTrackingRecorder
from core.log_index import IndexedEvent
from core.record import (
    FORMAT,
    CommandRecord,
    ExpectedHead,
    RecordedEvent,
    RecordedTracking,
    new_command_id,
    now,
    state_of,
)
from core.shared_logs import open_log, release_log

PULL_LIMIT = 500
"""Notifications that a subscription fetches at once."""

_STOP_CHECK_S = 0.2


class CommandInfo(NamedTuple):
    """Who asked for a save and why: what a record tells beside its events. Passed to `Application.save(command=…)`."""

    command_id: str
    command: str | None = None
    """The verb and noun, `create_topic`."""
    target: str | None = None
    """What it is about, `topic/flight`."""
    actor: str | None = None
    """Name of the API key."""
    source: str | None = None
    """`user@host` of the caller."""
    reason: str | None = None
    trace: str | None = None
    """W3C trace context."""


class KafkaAggregateRecorder(AggregateRecorder):
    """Aggregate sequences in the command log."""

    def __init__(self, log: CommandLog, application: str, *, originator_ids_are_uuids: bool = True) -> None:
        self._log = log
        self._application = application
        self._id_type: type[UUID | str] = UUID if originator_ids_are_uuids else str

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Record *stored_events* atomically; see `append` for the keywords and errors."""
        self.append(stored_events, **kwargs)
        return None

    def append(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        command: CommandInfo | None = None,
        expected: Sequence[tuple[UUID | str, int | None]] = (),
        tracking: Tracking | None = None,
        **_: Any,
    ) -> list[int]:
        """Append one record and return the notification IDs of its events.

        Args:
            stored_events: The events, in order.
            command: Who and why; without it the record has a command id of its own and tells nothing more.
            expected: Heads that the decision relied on; the record is refused when one has moved.
            tracking: How far another application was processed, recorded together with the events.

        Raises:
            IntegrityError: The record was refused: a version is taken, a head has moved, tracking was passed.
            CommandRepeatedError: A command of this id was recorded before.
            OperationalError: Kafka did not acknowledge; the text says whether the outcome is known.
        """
        if not stored_events and tracking is None:
            return []
        info = command or CommandInfo(new_command_id())
        record = self._record(stored_events, info, expected, tracking)
        try:
            outcome = self._log.append(record)
            if outcome is not None and outcome.is_voided:
                raise _given_up(info.command_id)
        except QuickError as error:
            raise OperationalError(str(error)) from error
        if outcome is None:
            raise IntegrityError(
                f"Refused by the log: what {[_summary(s) for s in stored_events]} relied on has changed"
            )
        notification_ids = outcome.notification_ids
        if not self._is_recorded_as(stored_events, notification_ids):
            raise CommandRepeatedError(info.command_id, outcome.last_id)
        return notification_ids

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the accepted events of one originator."""
        events = self._log.index.events_of(str(originator_id), gt=gt, lte=lte, desc=desc, limit=limit)
        return [self._stored_event(event) for event in events]

    def _record(
        self,
        stored_events: Sequence[StoredEvent],
        info: CommandInfo,
        expected: Sequence[tuple[UUID | str, int | None]],
        tracking: Tracking | None,
    ) -> CommandRecord:
        return CommandRecord(
            format=FORMAT,
            application=self._application,
            **info._asdict(),
            issued_at=now(),
            expected=tuple(ExpectedHead(str(originator_id), head) for originator_id, head in expected),
            events=tuple(
                RecordedEvent(str(event.originator_id), event.originator_version, event.topic, state_of(event.state))
                for event in stored_events
            ),
            tracking=None
            if tracking is None
            else RecordedTracking(tracking.application_name, tracking.notification_id),
        )

    def _is_recorded_as(self, stored_events: Sequence[StoredEvent], notification_ids: list[int]) -> bool:
        """Return whether the outcome is that of these events, and not of an earlier append of the same command."""
        if len(stored_events) != len(notification_ids):
            return False
        recorded = self._log.index.notifications(notification_ids[0], len(stored_events)) if stored_events else []
        return [self._stored_event(event) for _, event in recorded] == list(stored_events)

    def _stored_event(self, event: IndexedEvent) -> StoredEvent:
        return StoredEvent(self._id_type(event.originator_id), event.originator_version, event.topic, event.state)


class KafkaApplicationRecorder(KafkaAggregateRecorder, ApplicationRecorder):
    """Aggregate sequences and the application sequence of accepted events."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Record *stored_events* atomically and return their notification IDs; see `append`."""
        return self.append(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return accepted events in order of their IDs."""
        first = 1 if start is None else start + (not inclusive_of_start)
        found = self._log.index.notifications(first, limit, stop, topics)
        return [
            Notification(
                id=event_id,
                originator_id=self._id_type(event.originator_id),
                originator_version=event.originator_version,
                topic=event.topic,
                state=event.state,
            )
            for event_id, event in found
        ]

    def max_notification_id(self) -> int | None:
        """Return the ID of the last accepted event."""
        return self._log.index.max_notification_id()

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Return an iterator over accepted events with IDs above *gt* that waits for new ones."""
        return LogSubscription(self, self._log, gt, topics)


class KafkaProcessRecorder(KafkaApplicationRecorder, ProcessRecorder):
    """An application that processes another one: events and tracking in one record."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record *tracking* without events."""
        self.append([], tracking=tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far *application_name* was processed."""
        return self._log.index.tracked(application_name)


class LogSubscription(Subscription[KafkaApplicationRecorder]):
    """Accepted events, followed in the caller's thread."""

    def __init__(
        self, recorder: KafkaApplicationRecorder, log: CommandLog, gt: int | None, topics: Sequence[str]
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._log = log
        self._position = gt or 0
        self._pulled: deque[Notification] = deque()

    def __next__(self) -> Notification:
        """Return the next event; block until there is one or the subscription is stopped."""
        while not self._has_been_stopped:
            if self._pulled:
                return self._pulled.popleft()
            last_id = self._log.wait_for_position(self._position, _STOP_CHECK_S)
            if last_id > self._position:
                self._pull(last_id)
        raise StopIteration

    def _pull(self, last_id: int) -> None:
        found = self._recorder.select_notifications(
            self._position, PULL_LIMIT, last_id, self._topics, inclusive_of_start=False
        )
        self._pulled.extend(found)
        # What is not of the wanted topics has been looked at as well.
        self._position = found[-1].id if len(found) == PULL_LIMIT else last_id


class KafkaFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes the recorders of one application; they share one open log per process, topic and folder."""

    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self._bootstrap = self.env.get("QUICK_KAFKA_BOOTSTRAP_SERVER", "")
        if not self._bootstrap:
            raise InfrastructureFactoryError(
                "QUICK_KAFKA_BOOTSTRAP_SERVER is not set. Set it to the brokers, as HOST:PORT."
            )
        self._topic = self.env.get("QUICK_LOG_TOPIC") or self.env.name or "events"
        self._replication_factor = int(self.env.get("QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR", "1"))
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._folder = self._data_dir() / "log" / self._topic
        self._has_uuids = self._reads_uuids()
        self._log: CommandLog | None = None

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return a recorder of aggregate sequences; snapshots can be taken again and stay on this machine."""
        if purpose == "snapshots":
            return LocalSnapshotRecorder(self._folder / "snapshots", uuids=self._has_uuids)
        return KafkaAggregateRecorder(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def application_recorder(self) -> ApplicationRecorder:
        """Return the recorder of an application."""
        return self._recorder(self.APPLICATION_RECORDER_TOPIC, KafkaApplicationRecorder)

    def process_recorder(self) -> ProcessRecorder:
        """Return the recorder of an application that processes another one."""
        recorder = self._recorder(self.PROCESS_RECORDER_TOPIC, KafkaProcessRecorder)
        assert isinstance(recorder, KafkaProcessRecorder), "the configured class must record tracking"
        return recorder

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        """Return a recorder of a projection's progress: local, because the projection itself is."""
        chosen = tracking_recorder_class
        if chosen is None and (configured := self.env.get(self.TRACKING_RECORDER_TOPIC)):
            chosen = resolve_topic(configured)
        recorder_class = chosen or LocalTrackingRecorder
        assert issubclass(recorder_class, LocalTrackingRecorder), "views track their progress in LMDB"
        return recorder_class(self._folder / "tracking")

    def log(self) -> CommandLog:
        """Return the open log, opening it at first use."""
        if self._log is None:
            self._log = open_log(
                self._bootstrap, self._topic, self._folder, replication_factor=self._replication_factor
            )
        return self._log

    def close(self) -> None:
        """Release the log; the last one to do so closes it."""
        if self._log is not None:
            release_log(self._log)
            self._log = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    @property
    def _name(self) -> str:
        return self.env.name or self._topic

    def _recorder(self, setting: str, default: type[KafkaApplicationRecorder]) -> KafkaApplicationRecorder:
        configured = self.env.get(setting)
        recorder_class: type[KafkaApplicationRecorder] = resolve_topic(configured) if configured else default
        return recorder_class(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def _data_dir(self) -> Path:
        if configured := self.env.get("QUICK_DATA_DIR"):
            return Path(configured)
        self._temporary = tempfile.TemporaryDirectory(prefix="quick-")
        return Path(self._temporary.name)

    def _reads_uuids(self) -> bool:
        configured = self.env.get(self.ORIGINATOR_ID_TYPE, "uuid").lower()
        if configured not in {"uuid", "text"}:
            raise InfrastructureFactoryError(f"{self.ORIGINATOR_ID_TYPE}={configured!r} must be 'uuid' or 'text'.")
        return configured == "uuid"


def _summary(event: StoredEvent) -> str:
    return f"{event.originator_id} version {event.originator_version}"


def _given_up(command_id: str) -> CommandNotRecordedError:
    return CommandNotRecordedError(
        f"The command {command_id} was given up when Kafka did not acknowledge it, and was not recorded."
        " Send it again with a new command id."
    )
