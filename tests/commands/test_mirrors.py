"""Mirrors on a real log: what they may be declared to keep, what is refused, and what each command records."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from commands.decisions import Caller, Commands
from commands.gateways import NewGateway, create_gateway
from commands.mirrors import (
    MAX_INDEXES,
    MirrorChange,
    NewMirror,
    alter_mirror,
    create_mirror,
    delete_mirror,
    rebuild_mirror,
)
from commands.topics import NewTopic, SchemaReference, create_topic, delete_topic
from core import mirrors
from core.aggregates import aggregate_id
from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.kafka_admin import KafkaAdmin
from core.mirrors import Mirror, MirrorDefinition
from core.settings import Settings
from core.topics import WriteType
from core.types import TopicType

NewCaller = Callable[..., Caller]

RANGE_WITH_RETENTION = "The --range-field option must not be specified when --retention-time is set"
INDEX_WITH_RETENTION = "The --index option must not be specified when --retention-time is set"
KEY_WITHOUT_FIELD = "The --range-key can be set only when a --range-field is set"


class Mirrors:
    """The commands of one log, and what came of them."""

    def __init__(self, commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller) -> None:
        self.commands, self.admin, self.settings, self.caller = commands, admin, settings, caller

    def topic(self, definition: MirrorDefinition | None = None, **more: Any) -> str:
        """Create a topic whose values are items, with a mirror of *definition*, without one for `None`."""
        name = f"item-{uuid.uuid4().hex}"
        if self.commands.stream(aggregate_id("gateway", "shop"), lambda *_: None).head is None:
            sdl = "type Query { a: Int } type Item { id: Int! at: Long name: String }"
            create_gateway(self.commands, self.settings, self.caller(), NewGateway("shop", sdl=sdl))
        new = NewTopic(name, TopicType.LONG, TopicType.SCHEMA, SchemaReference("shop", "Item"), **more)
        if definition is not None:
            new = new._replace(mirror=definition)
        create_topic(self.commands, self.admin, self.settings, self.caller(), new)
        if definition is None and "write_type" not in more:
            delete_mirror(self.commands, self.caller(), name)
        return name

    def create(self, topic: str, definition: MirrorDefinition | None = None, **more: Any) -> int:
        new = NewMirror(topic, definition=definition or MirrorDefinition(), **more)
        return create_mirror(self.commands, self.settings, self.caller(), new)

    def alter(self, name: str, **changes: Any) -> int | None:
        return alter_mirror(self.commands, self.caller(), name, MirrorChange(**changes))

    def state(self, name: str) -> Mirror | None:
        return self.commands.stream(aggregate_id("mirror", name), mirrors.fold).state

    def definition(self, name: str) -> MirrorDefinition:
        state = self.state(name)
        assert state is not None
        return state.definition

    def recorded(self, position: int) -> tuple[str, str, list[tuple[str, dict[str, Any]]]]:
        """Return the command at *position*, what it was about, and its events with their facts."""
        command = self.commands.command_log.index.command_of(position)
        assert command is not None
        events = [(event.topic, json.loads(event.state)) for event in command.record.events]
        return command.record.command or "", command.record.target or "", events


@pytest.fixture
def made(commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller) -> Mirrors:
    return Mirrors(commands, admin, settings, caller)


def test_a_mirror_is_created_for_a_topic_that_has_none(made: Mirrors) -> None:
    topic = made.topic()
    wanted = MirrorDefinition(range_field="at", range_key="name", indexes=("name", "id", "name"))
    position = made.create(topic, wanted, replicas=2, tag="1.2")
    kept = {"range_field": "at", "range_key": "name", "indexes": ["id", "name"]}
    facts = {"name": topic, "topic": topic, "replicas": 2, "tag": "1.2", "definition": kept, "class_version": 2}
    assert ("create_mirror", f"mirror/{topic}", [("quick:MirrorCreated", facts)]) == made.recorded(position)
    assert Mirror(
        name=topic,
        topic=topic,
        replicas=2,
        tag="1.2",
        definition=MirrorDefinition(range_field="at", range_key="name", indexes=("id", "name")),
    ) == made.state(topic)


def test_a_second_mirror_and_one_of_no_topic_are_refused(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition())
    with pytest.raises(ConflictError, match=f"^The resource with the name {topic} already exists$"):
        made.create(topic)
    with pytest.raises(NotFoundError, match=r"^Topic nothing not found in topic registry$"):
        made.create("nothing")
    with pytest.raises(InvalidInputError, match="cannot have 0 replicas"):
        made.create(topic, replicas=0)


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (MirrorDefinition(range_field="at", retention_ms=1), RANGE_WITH_RETENTION),
        (MirrorDefinition(indexes=("at",), retention_ms=1), INDEX_WITH_RETENTION),
        (MirrorDefinition(range_key="id"), KEY_WITHOUT_FIELD),
        (MirrorDefinition(range_key="id", retention_ms=1), KEY_WITHOUT_FIELD),
        (MirrorDefinition(retention_ms=0), "A mirror cannot keep records for 0 ms"),
        (MirrorDefinition(retention_ms=-5), "A mirror cannot keep records for -5 ms"),
        (MirrorDefinition(retention_ms=2**63), "A mirror cannot keep records for"),
        (MirrorDefinition(range_field=""), "empty name"),
        (MirrorDefinition(indexes=("at", "")), "empty name"),
        (MirrorDefinition(indexes=tuple(map(str, range(MAX_INDEXES + 1)))), "cannot have 17 indexes"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_recorded(
    made: Mirrors, definition: MirrorDefinition, text: str
) -> None:
    with pytest.raises(InvalidInputError, match=text):
        made.create("item", definition)
    new = NewTopic("item", TopicType.LONG, TopicType.STRING, mirror=definition)
    with pytest.raises(InvalidInputError, match=text):
        create_topic(made.commands, made.admin, made.settings, made.caller(), new)
    assert made.commands.command_log.index.max_notification_id() is None


@pytest.mark.parametrize(
    ("definition", "field", "purpose"),
    [
        (MirrorDefinition(range_field="at"), "at", "range field"),
        (MirrorDefinition(indexes=("name",)), "name", "index field"),
    ],
)
def test_values_without_fields_have_no_ranges_and_no_indexes(
    made: Mirrors, definition: MirrorDefinition, field: str, purpose: str
) -> None:
    name = f"texts-{uuid.uuid4().hex}"
    new = NewTopic(name, TopicType.LONG, TopicType.STRING)
    text = f"^The {purpose} {field} cannot be used: the values of the topic are not of type schema"
    with pytest.raises(InvalidInputError, match=text):
        create_topic(made.commands, made.admin, made.settings, made.caller(), new._replace(mirror=definition))
    create_topic(made.commands, made.admin, made.settings, made.caller(), new)
    with pytest.raises(InvalidInputError, match=text):
        made.alter(name, range_field=definition.range_field, add_indexes=definition.indexes)
    delete_mirror(made.commands, made.caller(), name)
    with pytest.raises(InvalidInputError, match=text):
        made.create(name, definition)
    made.create(name, MirrorDefinition(retention_ms=1000))


@pytest.mark.parametrize(
    ("write_type", "definition", "config", "expected"),
    [
        (WriteType.MUTABLE, MirrorDefinition(range_field="at"), {}, "delete"),
        (WriteType.MUTABLE, MirrorDefinition(range_field="at"), {"cleanup.policy": "compact"}, "compact"),
        (WriteType.MUTABLE, MirrorDefinition(indexes=("at",)), {}, "compact"),
        (WriteType.MUTABLE, MirrorDefinition(retention_ms=1), {}, "compact"),
        (WriteType.IMMUTABLE, MirrorDefinition(range_field="at", indexes=("id",)), {}, "delete"),
    ],
)
def test_a_topic_is_created_with_what_its_mirror_keeps_and_what_that_needs_of_kafka(
    made: Mirrors, write_type: WriteType, definition: MirrorDefinition, config: dict[str, str], expected: str
) -> None:
    topic = made.topic(definition, write_type=write_type, config=config)
    assert definition == made.definition(topic)
    position = made.commands.command_log.index.max_notification_id()
    assert position is not None
    command, target, events = made.recorded(position)
    assert ("create_topic", f"topic/{topic}") == (command, target)
    created = dict(events)["quick:TopicCreated"]["config"]
    assert expected == created["cleanup.policy"]
    if expected == "delete":
        assert ("-1", "-1") == (created["retention.ms"], created["retention.bytes"])


def test_a_change_says_what_is_different_and_the_rest_stays(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(range_field="at", range_key="id"))
    position = made.alter(topic, add_indexes=("name", "at"))
    assert position is not None
    kept = {"range_field": "at", "range_key": "id", "indexes": ["at", "name"]}
    facts = {"name": topic, "definition": kept}
    assert ("alter_mirror", f"mirror/{topic}", [("quick:MirrorAltered", facts)]) == made.recorded(position)
    made.alter(topic, drop_indexes=("at",), range_key=None)
    assert MirrorDefinition(range_field="at", indexes=("name",)) == made.definition(topic)
    made.alter(topic, range_field="id", range_key="name")
    made.alter(topic, range_field=None)
    assert MirrorDefinition(indexes=("name",)) == made.definition(topic)
    made.alter(topic, drop_indexes=("name",), retention_ms=60_000)
    assert MirrorDefinition(retention_ms=60_000) == made.definition(topic)
    made.alter(topic, retention_ms=None, range_field="at")
    assert MirrorDefinition(range_field="at") == made.definition(topic)


def test_a_change_of_nothing_is_not_recorded(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(indexes=("at",)))
    before = made.commands.command_log.index.max_notification_id()
    assert made.alter(topic, add_indexes=("at",)) is None
    assert made.alter(topic, range_field=None, retention_ms=None, range_key=UNSET) is None
    with pytest.raises(InvalidInputError, match="Nothing is to change"):
        made.alter(topic)
    assert before == made.commands.command_log.index.max_notification_id()


def test_a_change_that_cannot_be_is_refused(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(indexes=("at", "id")))
    for changes, text in (
        ({"retention_ms": 1}, INDEX_WITH_RETENTION),
        ({"range_key": "id"}, KEY_WITHOUT_FIELD),
        ({"drop_indexes": ("name",)}, f"The mirror {topic} has no index name. It has: at, id."),
        ({"drop_indexes": ("at",), "add_indexes": ("at",)}, "The index at is to be added and dropped"),
        ({"retention_ms": 1, "drop_indexes": ("at", "id"), "range_field": "at"}, RANGE_WITH_RETENTION),
    ):
        with pytest.raises(InvalidInputError, match=text):
            made.alter(topic, **changes)
    assert MirrorDefinition(indexes=("at", "id")) == made.definition(topic)


def test_a_mirror_is_asked_to_be_built_again_and_stays_what_it_is(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(indexes=("at",)))
    position = rebuild_mirror(made.commands, made.caller(), topic)
    facts = {"name": topic}
    expected = ("rebuild_mirror", f"mirror/{topic}", [("quick:MirrorRebuildRequested", facts)])
    assert expected == made.recorded(position)
    made.alter(topic, add_indexes=("id",))
    assert MirrorDefinition(indexes=("at", "id"), build=1) == made.definition(topic)
    assert made.alter(topic, add_indexes=("id",)) is None


def test_a_mirror_is_deleted_alone_and_can_be_created_again(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(indexes=("at",)))
    position = delete_mirror(made.commands, made.caller(), topic)
    assert ("delete_mirror", f"mirror/{topic}", [("quick:MirrorDeleted", {"name": topic})]) == made.recorded(position)
    assert made.state(topic) is None
    made.create(topic)
    assert MirrorDefinition() == made.definition(topic)
    delete_mirror(made.commands, made.caller(), topic)
    delete_topic(made.commands, made.caller(), topic)


def test_a_missing_mirror_and_a_missing_topic_are_told_apart(made: Mirrors) -> None:
    def attempts(name: str) -> list[Callable[[], object]]:
        return [
            lambda: delete_mirror(made.commands, made.caller(), name),
            lambda: rebuild_mirror(made.commands, made.caller(), name),
            lambda: made.alter(name, add_indexes=("at",)),
        ]

    topic = made.topic()
    for attempt in attempts(topic):
        with pytest.raises(NotFoundError, match=f"^There is no mirror {topic}"):
            attempt()
    for attempt in attempts("nothing"):
        with pytest.raises(NotFoundError, match=r"^Topic nothing not found in topic registry$"):
            attempt()


def test_an_immutable_topic_keeps_its_mirror_and_the_mirror_keeps_everything(made: Mirrors) -> None:
    topic = made.topic(write_type=WriteType.IMMUTABLE)
    with pytest.raises(InvalidInputError, match=f"is immutable.*delete it with its topic: quick topic delete {topic}"):
        delete_mirror(made.commands, made.caller(), topic)
    with pytest.raises(InvalidInputError, match="must not be specified for an immutable topic"):
        made.alter(topic, retention_ms=1000)
    with pytest.raises(InvalidInputError, match="must not be specified for an immutable topic"):
        made.topic(MirrorDefinition(retention_ms=1000), write_type=WriteType.IMMUTABLE)
    made.alter(topic, range_field="at")
    assert MirrorDefinition(range_field="at") == made.definition(topic)


def test_the_mirror_of_a_deleted_topic_is_gone_with_it(made: Mirrors) -> None:
    topic = made.topic(MirrorDefinition(indexes=("at",)))
    delete_topic(made.commands, made.caller(), topic)
    assert made.state(topic) is None
    for attempt in (lambda: made.alter(topic, add_indexes=("id",)), lambda: made.create(topic)):
        with pytest.raises(NotFoundError, match="not found in topic registry"):
            attempt()


def test_the_same_command_id_is_carried_out_once(made: Mirrors) -> None:
    topic = made.topic()
    new = NewMirror(topic, definition=MirrorDefinition(indexes=("at",)))
    first = create_mirror(made.commands, made.settings, made.caller("c"), new)
    assert first == create_mirror(made.commands, made.settings, made.caller("c"), new)
    built = rebuild_mirror(made.commands, made.caller("r"), topic)
    assert built == rebuild_mirror(made.commands, made.caller("r"), topic)
    assert 1 == made.definition(topic).build
