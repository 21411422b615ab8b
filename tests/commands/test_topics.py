"""Commands on a real log: what is decided, what is refused, and who wins."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.decisions import Caller, Commands
from commands.gateways import NewGateway, apply_schema, create_gateway
from commands.subjects import NewSchema, delete_subject, register_schema, set_compatibility
from commands.topics import NewTopic, SchemaReference, change_schema, create_topic, delete_topic
from core import gateways, mirrors
from core.aggregates import aggregate_id
from core.errors import ConflictError, IncompatibleSchemaError, InvalidInputError, InvalidNameError, NotFoundError
from core.kafka_admin import KafkaAdmin
from core.settings import Settings
from core.topics import TopicCreated, WriteType
from core.types import TopicType

SDL = """
type Query { product(id: Int): Product @topic(name: "product", keyArgument: "id") }
type Product { id: Int!  name: String  other: Product @topic(name: "product", keyField: "id") }
"""

NewCaller = Callable[..., Caller]

STRINGS = (TopicType.STRING, TopicType.STRING)


def test_a_topic_brings_its_mirror_and_its_schema(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    new = NewTopic("product", TopicType.INTEGER, TopicType.SCHEMA, SchemaReference("shop", "product"))
    position = create_topic(commands, admin, settings, caller(), new)
    command = commands.command_log.index.command_of(position)
    assert command is not None
    assert [
        "quick:TopicCreated",
        "quick:MirrorCreated",
        "quick:SchemaRegistered",
        "quick:SchemaIdTaken",
        "quick:SchemaFingerprinted",
    ] == [event.topic for event in command.record.events]
    assert ("create_topic", "topic/product", "default", "me@here", "because") == (
        command.record.command,
        command.record.target,
        command.record.actor,
        command.record.source,
        command.record.reason,
    )


def test_equal_schemas_share_an_id_and_others_get_the_next(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    create_gateway(
        commands, settings, caller(), NewGateway("zoo", sdl="type Query { a: Int } type Animal { legs: Int }")
    )
    ids = []
    for name, reference in (("one", ("shop", "Product")), ("two", ("shop", "Product")), ("three", ("zoo", "Animal"))):
        new = NewTopic(f"{name}-{uuid.uuid4().hex}", TopicType.LONG, TopicType.SCHEMA, SchemaReference(*reference))
        position = create_topic(commands, admin, settings, caller(), new)
        created = next(
            e
            for i, e in commands.command_log.index.notifications(1, 100)
            if e.topic == "quick:TopicCreated" and i > position - 5
        )
        ids.append(created.state.split(b'"schema_id":')[1].split(b",")[0])
    assert [b"1", b"1", b"2"] == ids


def test_a_second_topic_of_the_name_is_refused(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    create_topic(commands, admin, settings, caller(), NewTopic("once", *STRINGS))
    with pytest.raises(ConflictError, match='Topic "once" already exists in Registry'):
        create_topic(commands, admin, settings, caller(), NewTopic("once", *STRINGS))


def test_a_topic_that_kafka_has_is_refused(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    name = f"foreign-{uuid.uuid4().hex}"
    admin.create_topic(name, partitions=1, replication_factor=1, config={})
    with pytest.raises(ConflictError, match="already exists in Kafka"):
        create_topic(commands, admin, settings, caller(), NewTopic(name, *STRINGS))
    assert commands.command_log.index.max_notification_id() is None


@pytest.mark.parametrize("name", ["", "with space", "..", "ü", "a" * 250, "__quick-log", "slash/ed"])
def test_a_name_that_kafka_would_refuse_is_refused_before_anything_is_recorded(
    commands: Commands, admin: KafkaAdmin, settings: Settings, name: str, caller: NewCaller
) -> None:
    with pytest.raises(InvalidNameError):
        create_topic(commands, admin, settings, caller(), NewTopic(name, *STRINGS))
    assert commands.command_log.index.max_notification_id() is None


def test_what_kafka_would_refuse_is_refused_before_anything_is_recorded(
    commands: Commands, admin: KafkaAdmin, kafka: str, tmp_path: Path, caller: NewCaller
) -> None:
    greedy = Settings(kafka=kafka, data_dir=tmp_path, api_key="k", replication_factor=3)
    with pytest.raises(InvalidInputError, match="eplication factor"):
        create_topic(commands, admin, greedy, caller(), NewTopic("greedy", *STRINGS))
    assert commands.command_log.index.max_notification_id() is None


def test_a_deleted_topic_can_be_created_again(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    new = NewTopic(f"again-{uuid.uuid4().hex}", *STRINGS)
    create_topic(commands, admin, settings, caller(), new)
    delete_topic(commands, caller(), new.name)
    with pytest.raises(NotFoundError):
        delete_topic(commands, caller(), new.name)
    assert create_topic(commands, admin, settings, caller(), new) > 0


def test_the_same_command_id_is_carried_out_once(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    new = NewTopic("idempotent", *STRINGS)
    first = create_topic(commands, admin, settings, caller("c1"), new)
    assert first == create_topic(commands, admin, settings, caller("c1"), new)
    assert 2 == commands.command_log.index.max_notification_id()


def test_a_schema_needs_its_gateway_and_type(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    def create(reference: SchemaReference | None) -> None:
        create_topic(commands, admin, settings, caller(), NewTopic("t", TopicType.LONG, TopicType.SCHEMA, reference))

    with pytest.raises(InvalidInputError, match="names none"):
        create(None)
    with pytest.raises(NotFoundError, match="nowhere"):
        create(SchemaReference("nowhere", "Product"))
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    with pytest.raises(InvalidInputError, match="Type Nothing does not exist"):
        create(SchemaReference("shop", "Nothing"))


def created_by(commands: Commands, position: int) -> dict[str, Any]:
    """Return what the event of a creation says."""
    command = commands.command_log.index.command_of(position)
    assert command is not None
    (created,) = (event for event in command.record.events if event.topic == "quick:TopicCreated")
    facts: dict[str, Any] = json.loads(created.state)
    return facts


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex}"


def test_what_is_set_wins_over_what_the_write_type_brings(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    new = NewTopic(unique("mutable"), *STRINGS, config={"cleanup.policy": "delete", "retention.ms": "60000"})
    created = created_by(commands, create_topic(commands, admin, settings, caller(), new._replace(partitions=7)))
    assert ({"cleanup.policy": "delete", "retention.ms": "60000"}, 7) == (created["config"], created["partitions"])
    new = NewTopic(unique("plain"), *STRINGS)
    created = created_by(commands, create_topic(commands, admin, settings, caller(), new))
    assert ({"cleanup.policy": "compact"}, settings.partitions) == (created["config"], created["partitions"])


def test_an_immutable_topic_keeps_everything_for_ever(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
    new = NewTopic(unique("immutable"), *STRINGS, write_type=WriteType.IMMUTABLE, config=config)
    created = created_by(commands, create_topic(commands, admin, settings, caller(), new))
    expected = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    assert expected | {"message.timestamp.type": "LogAppendTime"} == created["config"]
    assert "IMMUTABLE" == created["write_type"]


@pytest.mark.parametrize(
    ("config", "loss"),
    [
        ({"cleanup.policy": "compact"}, "cleanup.policy=compact: compaction would remove the first record"),
        ({"cleanup.policy": "delete,compact"}, "cleanup.policy=delete,compact: compaction would remove"),
        ({"retention.ms": "86400000"}, "retention.ms=86400000: the first record of a key would be removed after"),
        ({"retention.bytes": "1"}, "retention.bytes=1: the first record of a key would be removed beyond that size"),
    ],
)
def test_an_immutable_topic_refuses_what_would_let_a_later_record_win(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, config: dict[str, str], loss: str
) -> None:
    new = NewTopic("first", *STRINGS, write_type=WriteType.IMMUTABLE, config=config)
    with pytest.raises(InvalidInputError) as caught:
        create_topic(commands, admin, settings, caller(), new)
    assert loss in str(caught.value)
    assert str(caught.value).endswith("Leave that setting out, or create a mutable topic.")
    assert commands.command_log.index.max_notification_id() is None


def test_an_immutable_topic_with_replicas_survives_the_loss_of_a_broker_or_is_refused(
    commands: Commands, admin: KafkaAdmin, kafka: str, tmp_path: Path, caller: NewCaller
) -> None:
    replicated = Settings(kafka=kafka, data_dir=tmp_path, api_key="k", replication_factor=3)
    new = NewTopic("first", *STRINGS, write_type=WriteType.IMMUTABLE)
    with pytest.raises(InvalidInputError, match=r"min\.insync\.replicas=1: .* lost with it"):
        create_topic(commands, admin, replicated, caller(), new._replace(config={"min.insync.replicas": "1"}))
    with pytest.raises(InvalidInputError, match="eplication factor"):  # The broker of the tests is alone.
        create_topic(commands, admin, replicated, caller(), new)


@pytest.mark.parametrize(
    ("partitions", "config"),
    [
        (1, {"retention.millis": "1"}),
        (1, {"retention.ms": "soon"}),
        (1, {"cleanup.policy": "sometimes"}),
        (1, {"": "x"}),
        (0, {}),
        (-7, {}),
        (20_000, {}),
        (2**31, {}),
        (2**70, {}),
    ],
)
def test_settings_and_numbers_that_kafka_does_not_take_are_refused_before_anything_is_recorded(
    commands: Commands,
    admin: KafkaAdmin,
    settings: Settings,
    caller: NewCaller,
    partitions: int,
    config: dict[str, str],
) -> None:
    for write_type in WriteType:
        new = NewTopic(unique("odd"), *STRINGS, write_type=write_type, partitions=partitions, config=config)
        with pytest.raises(InvalidInputError):
            create_topic(commands, admin, settings, caller(), new)
    assert commands.command_log.index.max_notification_id() is None


def test_keys_may_have_a_schema_of_their_own(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    sdl = "type Query { a: Int } type Place { row: Int! seat: String } type Guest { name: String }"
    create_gateway(commands, settings, caller(), NewGateway("hall", sdl=sdl))
    place, guest = SchemaReference("hall", "Place"), SchemaReference("hall", "Guest")
    new = NewTopic(unique("seats"), TopicType.SCHEMA, TopicType.SCHEMA, guest, place)
    with pytest.raises(InvalidInputError, match="has keys of type schema, but names none"):
        create_topic(commands, admin, settings, caller(), new._replace(key_schema=None))
    position = create_topic(commands, admin, settings, caller(), new)
    created = created_by(commands, position)
    schemas = [created[side] for side in ("key_schema", "value_schema")]
    assert [("Place", 1), ("Guest", 2)] == [(schema["type"], schema["schema_id"]) for schema in schemas]
    delete_topic(commands, caller(), new.name)
    command = commands.command_log.index.command_of(commands.command_log.index.max_notification_id() or 0)
    assert command is not None
    assert ["quick:TopicDeleted", "quick:MirrorDeleted", "quick:SubjectDeleted", "quick:SubjectDeleted"] == [
        event.topic for event in command.record.events
    ]


def test_keys_and_values_may_share_a_schema(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("hall", sdl="type Query { a: Int } type Seat { row: Int }"))
    seat = SchemaReference("hall", "Seat")
    new = NewTopic(unique("seats"), TopicType.SCHEMA, TopicType.SCHEMA, seat, seat)
    created = created_by(commands, create_topic(commands, admin, settings, caller(), new))
    assert created["key_schema"] == created["value_schema"]


RACER = """
import sys, uuid
from pathlib import Path
import core.command_log
from commands.decisions import Caller, Commands
from commands.topics import NewTopic, create_topic
from core.errors import ConflictError
from core.kafka_admin import KafkaAdmin
from core.settings import Settings
from core.topics import TopicCreated
from core.types import TopicType
core.command_log.APPEND_TIMEOUT_S = 60
kafka, log, folder = sys.argv[1:]
settings = Settings(kafka=kafka, data_dir=Path(folder), api_key="k", log_topic=log)
with Commands(settings) as commands:
    admin = KafkaAdmin(kafka)
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(10):
        new = NewTopic(f"{log}-{i}", TopicType.STRING, TopicType.STRING)
        try:
            create_topic(commands, admin, settings, Caller("default", str(uuid.uuid4())), new)
            print(i, flush=True)
        except ConflictError:
            pass
"""


def test_of_several_processes_that_create_a_topic_exactly_one_succeeds(settings: Settings, tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, settings.kafka, settings.log_topic, str(tmp_path / f"machine-{i % 2}")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert "ready\n" == racer.stdout.readline()
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        won = [int(line) for racer in racers for line in racer.communicate(timeout=200)[0].split()]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert list(range(10)) == sorted(won)


def with_gateway(commands: Commands, settings: Settings, caller: NewCaller, fields: str) -> None:
    sdl = f"type Query {{ a: Int }} type Item {{ {fields} }}"
    if commands.stream(aggregate_id("gateway", "shop"), gateways.fold).state is None:
        create_gateway(commands, settings, caller(), NewGateway("shop", sdl=sdl))
    else:
        apply_schema(commands, caller(), "shop", sdl)


ITEM = SchemaReference("shop", "Item")


def item_topic(name: str) -> NewTopic:
    return NewTopic(name, TopicType.SCHEMA, TopicType.SCHEMA, ITEM, ITEM)


def events_at(commands: Commands, position: int | None) -> list[str]:
    assert position is not None
    return [type(event).__name__ for event in commands.events_at(position)]


def test_a_changed_schema_is_the_next_version_and_one_command(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int!")
    create_topic(commands, admin, settings, caller(), item_topic(topic_name))
    with_gateway(commands, settings, caller, "id: Int! name: String")
    expected = (2, 2, True)
    for dry_run in (True, False):
        change = change_schema(commands, settings, caller(), topic_name, "value", ITEM, dry_run=dry_run)
        assert expected == (change.schema.version, change.schema.schema_id, change.is_changed)
    assert ["TopicSchemaChanged", "SchemaRegistered", "SchemaIdTaken", "SchemaFingerprinted"] == events_at(
        commands, change.position
    )
    again = change_schema(commands, settings, caller(), topic_name, "value", ITEM)
    assert (2, False, None) == (again.schema.version, again.is_changed, again.position)
    key = change_schema(commands, settings, caller(), topic_name, "key", ITEM)
    assert (2, 2) == (key.schema.version, key.schema.schema_id)
    assert ["TopicSchemaChanged", "SchemaRegistered"] == events_at(commands, key.position)


def test_a_repeated_change_answers_as_the_first_one(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int!")
    create_topic(commands, admin, settings, caller(), item_topic(topic_name))
    with_gateway(commands, settings, caller, "id: Int! name: String")
    first, second = (change_schema(commands, settings, caller("c1"), topic_name, "value", ITEM) for _ in range(2))
    assert first == second


def test_a_change_that_old_records_do_not_go_with_is_refused_with_each_place(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int! size: Float!")
    create_topic(commands, admin, settings, caller(), item_topic(topic_name))
    with_gateway(commands, settings, caller, "id: String! size: Float! weight: Int!")
    with pytest.raises(IncompatibleSchemaError) as caught:
        change_schema(commands, settings, caller(), topic_name, "value", ITEM)
    assert 2 == len(caught.value.reasons)
    for told in ("quick.Item.id: the new schema has string, the old one has int", "quick.Item.weight: the new schema"):
        assert told in str(caught.value)
    set_compatibility(commands, caller(), f"{topic_name}-value", "NONE")
    assert change_schema(commands, settings, caller(), topic_name, "value", ITEM).is_changed


def test_only_a_side_with_a_schema_can_change_it(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    create_topic(commands, admin, settings, caller(), NewTopic(topic_name, *STRINGS))
    with pytest.raises(InvalidInputError, match="not of type schema"):
        change_schema(commands, settings, caller(), topic_name, "value", ITEM)
    with pytest.raises(InvalidInputError, match="no side 'both'"):
        change_schema(commands, settings, caller(), topic_name, "both", ITEM)
    with pytest.raises(NotFoundError):
        change_schema(commands, settings, caller(), "none", "value", ITEM)


def test_a_topic_goes_on_with_a_subject_that_its_schema_goes_with(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int! name: String")
    earlier = '{"type":"record","name":"Item","namespace":"quick","fields":[{"name":"id","type":"int"}]}'
    register_schema(commands, caller(), f"{topic_name}-value", NewSchema("AVRO", earlier))
    register_schema(commands, caller(), f"{topic_name}-key", NewSchema("AVRO", '"string"'))
    with pytest.raises(ConflictError, match=f'Subject "{topic_name}-key" already exists'):
        create_topic(commands, admin, settings, caller(), item_topic(topic_name))
    new = NewTopic(topic_name, TopicType.LONG, TopicType.SCHEMA, ITEM)
    position = create_topic(commands, admin, settings, caller(), new)
    created = commands.events_at(position)[0]
    assert isinstance(created, TopicCreated)
    assert created.value_schema is not None
    assert 2 == created.value_schema["version"]
    assert "SubjectDeleted" in events_at(commands, delete_topic(commands, caller(), topic_name))


def test_a_version_that_was_deleted_under_a_topic_is_registered_again(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int!")
    create_topic(commands, admin, settings, caller(), item_topic(topic_name))
    delete_subject(commands, caller(), f"{topic_name}-value", permanent=False)
    change = change_schema(commands, settings, caller(), topic_name, "value", ITEM)
    assert (1, 2, True) == (change.schema.schema_id, change.schema.version, change.is_changed)
    assert not change_schema(commands, settings, caller(), topic_name, "value", ITEM).is_changed


def test_a_schema_without_the_fields_that_the_mirror_compares_is_refused(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller, topic_name: str
) -> None:
    with_gateway(commands, settings, caller, "id: Int! size: Int place: String")
    create_topic(commands, admin, settings, caller(), item_topic(topic_name))

    def keep(definition: dict[str, object]) -> None:
        commands.carry_out(
            caller(),
            "alter_mirror",
            f"mirror/{topic_name}",
            lambda consulted: [
                consulted.mirror(topic_name).record(mirrors.MirrorAltered, name=topic_name, definition=definition)
            ],
        )

    keep({"range_field": "size", "indexes": ["place"]})
    with_gateway(commands, settings, caller, "id: Int! size: String")
    set_compatibility(commands, caller(), f"{topic_name}-value", "NONE")
    for dry_run in (True, False):
        with pytest.raises(IncompatibleSchemaError, match=f"The mirror {topic_name} could not go on") as caught:
            change_schema(commands, settings, caller(), topic_name, "value", ITEM, dry_run=dry_run)
    size, place = caught.value.reasons
    assert "range field size: its values were compared as integer, and would be as string" == size
    assert place.startswith("index field place: The defined index field place does not exist in your Avro schema.")
    set_compatibility(commands, caller(), f"{topic_name}-key", "NONE")
    assert change_schema(commands, settings, caller(), topic_name, "key", ITEM).is_changed
    keep({"range_field": "id"})
    assert change_schema(commands, settings, caller(), topic_name, "value", ITEM).is_changed
