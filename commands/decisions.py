"""How every command is carried out: consult, decide, record; decide again when somebody was faster.

Each stream that a decision looks at is stated with its head in the record, so the log refuses the command when one of
them has moved meanwhile: a mirror on a topic that was deleted a moment ago is never recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import IntegrityError, OperationalError

from core import applications, compatibility, gateways, keys, log_safety, mirrors, subjects, topics
from core.aggregates import LogEvent, Stream, aggregate_id, project
from core.command_log import CommandLog
from core.errors import CommandNotRecordedError, CommandRepeatedError, ConflictError, QuickError
from core.event_mapper import EventMapper
from core.log_recorders import CommandInfo
from core.recorder import KafkaFactory
from core.registered_schema import RegisteredSchema
from core.settings import Settings

S = TypeVar("S")

ATTEMPTS = 8
"""How often a command is decided again after a conflict; more means that it changes faster than we can decide."""


class Caller(NamedTuple):
    """Who asks for a command and why."""

    actor: str
    """Name of the API key."""
    command_id: str
    """Chosen by the caller: sending the same one again records nothing new."""
    source: str | None = None
    """`user@host`, as the caller says."""
    reason: str | None = None
    trace: str | None = None


class Consulted:
    """The streams that one decision looks at, with their heads as they were then."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._seen: dict[UUID, Stream[Any]] = {}
        self.heads: dict[UUID, int | None] = {}

    def record(
        self,
        stream: Stream[S],
        fold: Callable[[S | None, LogEvent], S | None],
        event: Callable[..., LogEvent],
        **facts: Any,
    ) -> LogEvent:
        """Return the next event of a stream; whoever looks at the stream after this sees it changed."""
        recorded = stream.record(event, **facts)
        self._seen[stream.id] = stream.after(recorded, fold)
        return recorded

    def topic(self, name: str) -> Stream[topics.Topic]:
        """Look at the topic *name*."""
        return self._stream(topics.NOUN, name, topics.fold)

    def mirror(self, name: str) -> Stream[mirrors.Mirror]:
        """Look at the mirror *name*."""
        return self._stream(mirrors.NOUN, name, mirrors.fold)

    def gateway(self, name: str) -> Stream[gateways.Gateway]:
        """Look at the gateway *name*."""
        return self._stream(gateways.NOUN, name, gateways.fold)

    def application(self, name: str) -> Stream[applications.Application]:
        """Look at the application *name*."""
        return self._stream(applications.NOUN, name, applications.fold)

    def subject(self, name: str) -> Stream[subjects.Subject]:
        """Look at the subject *name*."""
        return self._stream(subjects.NOUN, name, subjects.fold)

    def schema_id(self, schema_id: int) -> Stream[RegisteredSchema]:
        """Look at the schema of an ID."""
        return self._stream(subjects.SCHEMA_ID_NOUN, str(schema_id), subjects.fold_schema_id)

    def known_schema(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an ID, without relying on it: what an ID was given to never changes."""
        stream_id = aggregate_id(subjects.SCHEMA_ID_NOUN, str(schema_id))
        seen: Stream[RegisteredSchema] | None = self._seen.get(stream_id)
        return (seen or self._commands.stream(stream_id, subjects.fold_schema_id)).state

    def compatibility(self, name: str) -> Stream[compatibility.Compatibility]:
        """Look at the compatibility level of a subject, or at the global one."""
        return self._stream(compatibility.NOUN, name, compatibility.fold)

    def fingerprint(self, fingerprint: str) -> Stream[int]:
        """Look at the ID of a schema text."""
        return self._stream(subjects.FINGERPRINT_NOUN, fingerprint, subjects.fold_fingerprint)

    def key(self, name: str) -> Stream[keys.Key]:
        """Look at the API key *name*."""
        return self._stream(keys.NOUN, name, keys.fold)

    def log_safety(self) -> Stream[log_safety.LogSafety]:
        """Look at what was noted last of the log's safety."""
        return self._stream(log_safety.NOUN, log_safety.NAME, log_safety.fold)

    def _stream(self, noun: str, name: str, fold: Callable[[S | None, LogEvent], S | None]) -> Stream[S]:
        """Look at a stream once: a decision that sees it twice must not see it differ."""
        stream_id = aggregate_id(noun, name)
        seen: Stream[S] | None = self._seen.get(stream_id)
        if seen is None:
            seen = self._seen[stream_id] = self._commands.stream(stream_id, fold)
            self.heads[stream_id] = seen.head
        return seen


Decide = Callable[[Consulted], list[LogEvent]]
"""Looks at streams and returns the events of a command, or raises why it cannot be carried out. It may run again."""


class Commands(Application[UUID]):
    """The event-sourced application behind every manager: streams in, decisions out, recorded in the command log."""

    name = "quick"

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            {
                "PERSISTENCE_MODULE": "core.recorder",
                "MAPPER_TOPIC": "core.event_mapper:EventMapper",
                "QUICK_KAFKA_BOOTSTRAP_SERVER": settings.kafka,
                "QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR": str(settings.replication_factor),
                "QUICK_LOG_TOPIC": settings.log_topic,
                "QUICK_DATA_DIR": str(settings.data_dir),
                "AGGREGATE_CACHE_MAXSIZE": "10000",
                "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",  # Streams are immutable.
            }
        )

    @property
    def command_log(self) -> CommandLog:
        """Return the open log."""
        assert isinstance(self.factory, KafkaFactory), "PERSISTENCE_MODULE is set above"
        return self.factory.log()

    def stream(
        self, stream_id: UUID, fold: Callable[[S | None, LogEvent], S | None], *, version: int | None = None
    ) -> Stream[S]:
        """Return a stream as far as this process has read the log, or as it was at a version."""
        try:
            found: Any = self.repository.get(stream_id, version=version, projector_func=partial(project, fold=fold))
        except AggregateNotFoundError:
            return Stream(stream_id, 0, None)
        stream: Stream[S] = found
        return stream

    def carry_out(self, caller: Caller, command: str, target: str, decide: Decide) -> int | None:
        """Decide and record a command; return its position, `None` when there was nothing to change.

        Args:
            caller: Who asks and why.
            command: Verb and noun, `create_topic`.
            target: What it is about, `topic/flight`.
            decide: The decision; run again from the new state after a conflict.

        Raises:
            ConflictError: Others kept changing the same things, or the command id is that of another command.
            UnavailableError: Kafka did not acknowledge; the text says whether the outcome is known.
            UnknownEventError: What is to be changed has an event of a newer version.
        """
        info = CommandInfo(caller.command_id, command, target, caller.actor, caller.source, caller.reason, caller.trace)
        for _ in range(ATTEMPTS):
            if (position := self._position_of(info)) is not None:
                return position
            consulted = Consulted(self)
            try:
                events = decide(consulted)
            except QuickError:
                # What is in the way may be the command itself, carried out elsewhere since we looked for it.
                if (position := self._position_of(info)) is not None:
                    return position
                raise
            if not events:
                return self._position_of(info)
            try:
                return self._record_command(events, info, consulted)
            except IntegrityError:
                continue
        raise ConflictError(f"{target} is being changed by others at the same time. Try again.")

    def events_at(self, position: int) -> list[LogEvent]:
        """Return the events of the command at *position*: under the same id, somebody else may have decided it."""
        index = self.command_log.index
        command = index.command_of(position)
        assert command is not None, "carried out"
        mapper, count = EventMapper(), len(command.record.events)
        return [mapper.event(indexed) for _, indexed in index.notifications(command.first_id, count, command.position)]

    def _record_command(self, events: list[LogEvent], info: CommandInfo, consulted: Consulted) -> int:
        try:
            recordings = self.save(*events, command=info, expected=list(consulted.heads.items()))
        except CommandRepeatedError:
            position = self._position_of(info)
            assert position is not None, "a repeated command has an outcome"
            return position
        except OperationalError as error:
            if isinstance(error.__cause__, QuickError):
                raise error.__cause__ from None
            raise
        return recordings[-1].notification.id

    def _position_of(self, info: CommandInfo) -> int | None:
        """Return the position of a command that was carried out before."""
        outcome = self.command_log.outcome(info.command_id)
        if outcome is None:
            return None
        if outcome.is_voided:
            raise CommandNotRecordedError.given_up(info.command_id)
        self._check_same(info, outcome.last_id)
        return outcome.last_id

    def _check_same(self, info: CommandInfo, position: int) -> None:
        """Make sure that a command id is not used for two commands: the second would be thought to be carried out."""
        recorded = self.command_log.index.command_of(position)
        if recorded is None or (recorded.record.command, recorded.record.target) != (info.command, info.target):
            raise ConflictError(
                f"The command id {info.command_id} is that of another command, recorded at position {position}."
                " Send this one with an id of its own."
            )
