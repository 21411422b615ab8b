"""The command log as a persistence module of the eventsourcing library: `PERSISTENCE_MODULE=core.recorder`.

One application per Kafka topic. A notification ID counts accepted events, 1, 2, 3 … without gaps; it is the same on
every machine and says nothing about offsets: records that the acceptance rule refuses have an offset and no ID.

Settings, in the library's environment mapping or the process's:

    QUICK_KAFKA_BOOTSTRAP_SERVER   brokers, required
    QUICK_LOG_TOPIC                the topic, created when absent; default: the application's name
    QUICK_DATA_DIR                 folder of the index; a temporary one when unset
    QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR   replicas of a topic that has to be created, 1 when unset
    ORIGINATOR_ID_TYPE             `uuid` (default) or `text`, as in the library's own modules

As everywhere in the library, `SCHOOL_QUICK_LOG_TOPIC` is that setting for the application `School` alone: name topics
so where several applications share one environment, because each needs a topic of its own.

Open applications after a fork, not before: neither LMDB nor Kafka's clients survive one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote
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
from core.data_folder import DataFolder
from core.errors import CommandRepeatedError, KafkaUnavailableError, QuickError
from core.local_recorders import LocalRecorder, LocalSnapshotRecorder, LocalTrackingRecorder
from core.log_rows import IndexedEvent
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
from core.tracking import PromptTrackingRecorder

PULL_LIMIT = 500
"""Notifications that a subscription fetches at once."""

_STOP_CHECK_S = 0.2

C = TypeVar("C")
L = TypeVar("L", bound=LocalRecorder)
R = TypeVar("R", bound="KafkaApplicationRecorder")


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
        except QuickError as error:
            raise OperationalError(str(error)) from error
        if outcome is None:
            raise IntegrityError(
                f"Refused by the log: what {[_summary(s) for s in stored_events]} relied on has changed"
            )
        notification_ids = outcome.notification_ids
        if outcome.is_voided or not self._is_recorded_as(stored_events, notification_ids):
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


class KafkaProcessRecorder(KafkaApplicationRecorder, PromptTrackingRecorder, ProcessRecorder):
    """An application that processes another one: events and tracking in one record."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record *tracking* without events; see `append` for the errors."""
        self.append([], tracking=tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far *application_name* was processed."""
        return self._log.index.tracked(application_name)

    def has_tracking_id(self, application_name: str, notification_id: int | None) -> bool:
        """Return whether *application_name* was processed up to *notification_id*.

        Raises:
            OperationalError: It was not as far as this process knows, which no longer follows the log.
        """
        if super().has_tracking_id(application_name, notification_id):
            return True
        if (failure := self._log.failure()) is not None:
            raise OperationalError(str(failure)) from failure
        return False


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
    """Makes the recorders of one application; they share one open log per process, topic and folder.

    Raises:
        InfrastructureFactoryError: A setting is missing or has no usable value.
    """

    BOOTSTRAP_SERVER = "QUICK_KAFKA_BOOTSTRAP_SERVER"
    LOG_TOPIC = "QUICK_LOG_TOPIC"
    DATA_DIR = "QUICK_DATA_DIR"
    REPLICATION_FACTOR = "QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR"
    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self._bootstrap = self.env.get(self.BOOTSTRAP_SERVER, "")
        if not self._bootstrap:
            raise InfrastructureFactoryError(
                f"{self.BOOTSTRAP_SERVER} is not set. Set it to the brokers, as HOST:PORT."
            )
        self._topic = self.env.get(self.LOG_TOPIC) or self.env.name or "events"
        self._replication_factor = self._read_replication_factor()
        self._has_uuids = self._reads_uuids()
        self._data = DataFolder(self.env.get(self.DATA_DIR))
        self._log: CommandLog | None = None
        self._local_recorders: list[LocalRecorder] = []
        self._is_closed = False

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return a recorder of aggregate sequences; snapshots can be taken again and stay on this machine."""
        if purpose == "snapshots":
            # Inside the index: when that is set aside because its log is gone, so are the snapshots.
            return self._kept(LocalSnapshotRecorder(self.log().index.path / "snapshots", uuids=self._has_uuids))
        return KafkaAggregateRecorder(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def application_recorder(self) -> ApplicationRecorder:
        """Return the recorder of an application."""
        return self._recorder(self.APPLICATION_RECORDER_TOPIC, KafkaApplicationRecorder)

    def process_recorder(self) -> ProcessRecorder:
        """Return the recorder of an application that processes another one."""
        return self._recorder(self.PROCESS_RECORDER_TOPIC, KafkaProcessRecorder)

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        """Return a recorder of a projection's progress: local, because the projection itself is.

        Args:
            tracking_recorder_class: The view, a `LocalTrackingRecorder`; each class has a store of its own.

        Raises:
            InfrastructureFactoryError: The class keeps its tracking elsewhere.
            StoreError: The store cannot be opened.
        """
        chosen = tracking_recorder_class
        if chosen is None and (configured := self.env.get(self.TRACKING_RECORDER_TOPIC)):
            chosen = resolve_topic(configured)
        recorder_class = _subclass(chosen or LocalTrackingRecorder, LocalTrackingRecorder)
        self._refuse_when_closed()
        # A projection has its own name and may have no log: what it reads is another application's.
        store = quote(f"{self._name}.{recorder_class.__qualname__}", safe="")
        return self._kept(recorder_class(self._data.path / "tracking" / store))

    def log(self) -> CommandLog:
        """Return the open log, opening it at first use.

        Raises:
            KafkaUnavailableError: No broker answered.
            KafkaRefusedError: Kafka does not take the topic's name or the number of replicas.
            UnsafeLogError: The topic's settings could lose events.
        """
        self._refuse_when_closed()
        if self._log is None:
            folder = self._data.path / "log" / self._topic
            try:
                self._log = open_log(self._bootstrap, self._topic, folder, replication_factor=self._replication_factor)
            except KafkaUnavailableError as error:
                raise KafkaUnavailableError(
                    f"Cannot open the log {self._topic} on {self._bootstrap}: {error}"
                    f" The address is what {self.BOOTSTRAP_SERVER} says."
                ) from error
        return self._log

    def close(self) -> None:
        """Close the local recorders, release the log (the last one to do so closes it), remove a temporary folder."""
        self._is_closed = True
        while self._local_recorders:
            self._local_recorders.pop().close()
        if self._log is not None:
            release_log(self._log)
            self._log = None
        self._data.close()

    @property
    def _name(self) -> str:
        return self.env.name or self._topic

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise InfrastructureFactoryError(f"The application {self._name} is closed. Construct a new one.")

    def _kept(self, recorder: L) -> L:
        """Return *recorder*, to be closed with this factory, but usable when the factory is dropped unclosed."""
        recorder.keeps = self._data
        self._local_recorders.append(recorder)
        return recorder

    def _recorder(self, setting: str, default: type[R]) -> R:
        configured = self.env.get(setting)
        recorder_class = _subclass(resolve_topic(configured), default) if configured else default
        return recorder_class(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def _read_replication_factor(self) -> int:
        configured = self.env.get(self.REPLICATION_FACTOR) or "1"
        if not (configured.isdecimal() and int(configured) > 0):
            raise InfrastructureFactoryError(
                f"{self.REPLICATION_FACTOR}={configured!r} must be a whole number, 1 or more."
            )
        return int(configured)

    def _reads_uuids(self) -> bool:
        configured = (self.env.get(self.ORIGINATOR_ID_TYPE) or "uuid").lower()
        if configured not in {"uuid", "text"}:
            raise InfrastructureFactoryError(f"{self.ORIGINATOR_ID_TYPE}={configured!r} must be 'uuid' or 'text'.")
        return configured == "uuid"


def _subclass(found: Any, wanted: type[C]) -> type[C]:
    """Return the class *found* that a setting or a caller has named."""
    if isinstance(found, type) and issubclass(found, wanted):
        return found
    raise InfrastructureFactoryError(f"{found!r} cannot be used: derive it from {wanted.__module__}.{wanted.__name__}.")


def _summary(event: StoredEvent) -> str:
    return f"{event.originator_id} version {event.originator_version}"
