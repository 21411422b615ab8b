"""Declare what the mirror of a topic keeps, change it, have it built again, and give the mirror up.

A mirror has the name of its topic, of which there is one. What it keeps is checked against the topic when it is
declared, so that no fold ever meets a field that it cannot keep.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from commands.decisions import Caller, Commands, Consulted
from core import mirrors, topics
from core.aggregates import LogEvent, Stream
from core.comparable_fields import mirror_fields
from core.durations import MAX_MS, duration_text
from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.mirrors import Mirror, MirrorDefinition
from core.settings import Settings
from core.topics import Topic, WriteType

T = TypeVar("T")

MAX_INDEXES: Final = 16
"""Each is written with every record of the topic."""

MAX_REPLICAS: Final = 1000
"""Far more than any deployment runs; one more digit is most likely a slip."""


class NewMirror(NamedTuple):
    """What a caller asks for."""

    topic: str
    replicas: int | None = None
    """`None` for the deployment's number."""
    tag: str | None = None
    definition: MirrorDefinition = MirrorDefinition()


class MirrorChange(NamedTuple):
    """What is to be different about what a mirror keeps; what is `UNSET` stays as it is, `None` takes it away."""

    range_field: str | UnsetType | None = UNSET
    """Without it there is no range key either."""
    range_key: str | UnsetType | None = UNSET
    retention_ms: int | UnsetType | None = UNSET
    add_indexes: tuple[str, ...] = ()
    """Fields that have no index yet, or have one already."""
    drop_indexes: tuple[str, ...] = ()
    """Fields that have one."""


def create_mirror(commands: Commands, settings: Settings, caller: Caller, new: NewMirror) -> int:
    """Declare the mirror of a topic; return the command's position.

    Raises:
        InvalidInputError: What it is to keep cannot be kept of this topic.
        NotFoundError: There is no such topic.
        ConflictError: It has a mirror already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    definition = checked(new.definition)
    if new.replicas is not None and not 1 <= new.replicas <= MAX_REPLICAS:
        raise InvalidInputError(f"A mirror cannot have {new.replicas} replicas. Choose from 1 to {MAX_REPLICAS}.")

    def decide(consulted: Consulted) -> list[LogEvent]:
        return [mirror_created(consulted, settings, new._replace(definition=definition))]

    position = commands.carry_out(caller, "create_mirror", f"mirror/{new.topic}", decide)
    assert position is not None, "creating a mirror always has events"
    return position


def mirror_created(consulted: Consulted, settings: Settings, new: NewMirror) -> LogEvent:
    """Return the event that declares a mirror, whose definition is `checked`.

    Raises:
        InvalidInputError: What it is to keep cannot be kept of this topic.
        NotFoundError: There is no such topic.
        ConflictError: It has a mirror already.
    """
    topic = _topic(consulted, new.topic)
    mirror = consulted.mirror(new.topic)
    if mirror.state is not None:
        raise ConflictError(f"The resource with the name {new.topic} already exists")
    _check_keepable(topic, new.definition)
    return mirror.record(
        mirrors.MirrorCreated,
        name=new.topic,
        topic=new.topic,
        replicas=settings.default_replicas if new.replicas is None else new.replicas,
        tag=new.tag,
        definition=_facts(new.definition),
    )


def alter_mirror(commands: Commands, caller: Caller, name: str, change: MirrorChange) -> int | None:
    """Let a mirror keep something else; return the command's position, `None` when it keeps just that already.

    The mirror goes on to answer as before until it is built as it is to be.

    Raises:
        InvalidInputError: Nothing is to change, or what it is to keep cannot be kept of this topic.
        NotFoundError: There is no such topic, or it has no mirror.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    if change == MirrorChange():
        raise InvalidInputError(
            f"Nothing is to change about the mirror {name}. Name a range field, range key, retention time or index."
        )

    def decide(consulted: Consulted) -> list[LogEvent]:
        mirror, state = _mirror(consulted, name)
        definition = checked(_changed(state, change))
        _check_keepable(_topic(consulted, state.topic), definition)
        if definition == state.definition:
            return []
        return [mirror.record(mirrors.MirrorAltered, name=name, definition=_facts(definition))]

    return commands.carry_out(caller, "alter_mirror", f"mirror/{name}", decide)


def rebuild_mirror(commands: Commands, caller: Caller, name: str) -> int:
    """Have a mirror built again on every machine, beside the one that answers meanwhile; return the position.

    Raises:
        NotFoundError: There is no such topic, or it has no mirror.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        mirror, _ = _mirror(consulted, name)
        return [mirror.record(mirrors.MirrorRebuildRequested, name=name)]

    position = commands.carry_out(caller, "rebuild_mirror", f"mirror/{name}", decide)
    assert position is not None, "asking for a mirror to be built always has events"
    return position


def delete_mirror(commands: Commands, caller: Caller, name: str) -> int:
    """Give a mirror up, and keep its topic; return the command's position.

    Raises:
        NotFoundError: There is no such topic, or it has no mirror.
        InvalidInputError: The topic is immutable: its mirror tells which record of a key was the first.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        mirror, state = _mirror(consulted, name)
        if _topic(consulted, state.topic).write_type is WriteType.IMMUTABLE:
            raise InvalidInputError(
                f"Topic {state.topic} is immutable, and its mirror tells which record of a key was the first: without"
                " it nothing can be written. Keep the mirror, or delete it with its topic: quick topic delete"
                f" {state.topic}"
            )
        return [mirror.record(mirrors.MirrorDeleted, name=name)]

    position = commands.carry_out(caller, "delete_mirror", f"mirror/{name}", decide)
    assert position is not None, "deleting a mirror always has events"
    return position


def checked(definition: MirrorDefinition) -> MirrorDefinition:
    """Return *definition* with its indexes in order, each once, so that what is kept alike is declared alike.

    Raises:
        InvalidInputError: Its parts do not go together, whatever the topic is.
    """
    indexes = tuple(sorted(set(definition.indexes)))
    if definition.retention_ms is not None:
        _check_retention(definition, definition.retention_ms)
    if definition.range_key is not None and definition.range_field is None:
        raise InvalidInputError("The --range-key can be set only when a --range-field is set")
    if "" in (definition.range_field, definition.range_key, *indexes):
        raise InvalidInputError("A field of a mirror has an empty name. Name a field of the topic's values.")
    if len(indexes) > MAX_INDEXES:
        raise InvalidInputError(
            f"A mirror cannot have {len(indexes)} indexes, each of which is written with every record."
            f" Choose at most {MAX_INDEXES}."
        )
    return msgspec.structs.replace(definition, indexes=indexes)


def _check_keepable(topic: Topic, definition: MirrorDefinition) -> None:
    """Refuse to keep of *topic* what cannot be kept of it: a field without an order, or less of an immutable one."""
    if definition.retention_ms is not None and topic.write_type is WriteType.IMMUTABLE:
        raise InvalidInputError(
            "The --retention-time option must not be specified for an immutable topic: its mirror would forget the"
            " first record of a key, and a later one would win. Leave it out, or use a mutable topic."
        )
    mirror_fields(definition, None if topic.value_schema is None else topic.value_schema.registered())


def _check_retention(definition: MirrorDefinition, retention_ms: int) -> None:
    others = (("--range-field", definition.range_field), ("--index", definition.indexes))
    for option, value in others:
        if value:
            raise InvalidInputError(f"The {option} option must not be specified when --retention-time is set")
    if not 1 <= retention_ms <= MAX_MS:
        raise InvalidInputError(
            f"A mirror cannot keep records for {retention_ms} ms. Choose from PT0.001S to {duration_text(MAX_MS)}."
        )


def _changed(mirror: Mirror, change: MirrorChange) -> MirrorDefinition:
    """Return what *mirror* keeps after *change*."""
    before = mirror.definition
    missing = sorted(set(change.drop_indexes) - set(before.indexes))
    if missing:
        raise InvalidInputError(
            f"The mirror {mirror.name} has no index {missing[0]}. It has: {', '.join(before.indexes) or 'none'}."
        )
    if twice := sorted(set(change.drop_indexes) & set(change.add_indexes)):
        raise InvalidInputError(f"The index {twice[0]} is to be added and dropped. Name it once.")
    range_field = _or_before(change.range_field, before.range_field)
    kept_key = before.range_key if range_field is not None else None
    return msgspec.structs.replace(
        before,
        range_field=range_field,
        range_key=_or_before(change.range_key, kept_key),
        retention_ms=_or_before(change.retention_ms, before.retention_ms),
        indexes=tuple(({*before.indexes} | {*change.add_indexes}) - {*change.drop_indexes}),
    )


def _facts(definition: MirrorDefinition) -> dict[str, object]:
    """Return a definition as events keep it: what is not left out, without how often it was built."""
    facts: dict[str, object] = msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(definition, build=0)))
    return facts


def _or_before(changed: T | UnsetType | None, before: T | None) -> T | None:
    return before if isinstance(changed, UnsetType) else changed


def _topic(consulted: Consulted, name: str) -> Topic:
    topic = consulted.topic(name).state
    if topic is None:
        raise topics.not_found(name)
    return topic


def _mirror(consulted: Consulted, name: str) -> tuple[Stream[Mirror], Mirror]:
    mirror = consulted.mirror(name)
    if mirror.state is None:
        _topic(consulted, name)
        raise NotFoundError(f"There is no mirror {name}. Those that there are: quick mirror list")
    return mirror, mirror.state
