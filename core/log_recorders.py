"""The recorders of the eventsourcing library over the command log: aggregates, applications, processes, subscriptions.

A notification ID counts accepted events, 1, 2, 3 … without gaps; it is the same on every machine and says nothing about
offsets: records that the acceptance rule refuses have an offset and no ID.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from core.command_log import CommandLog
from core.errors import CommandNotRecordedError, CommandRepeatedError, QuickError
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
from core.tracking import PromptTrackingRecorder

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
                raise CommandNotRecordedError.given_up(info.command_id)
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


def _summary(event: StoredEvent) -> str:
    return f"{event.originator_id} version {event.originator_version}"
