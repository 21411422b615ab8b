"""How every command is carried out: once, in the state that it was decided in, whoever sends it and how often."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from commands.decisions import Caller, Commands, Consulted
from commands.gateways import NewGateway, apply_schema, create_gateway, delete_gateway
from commands.topics import NewTopic, SchemaReference, create_topic
from core import gateways
from core.aggregates import LogEvent
from core.errors import CommandNotRecordedError, ConflictError, NotFoundError
from core.kafka_admin import KafkaAdmin
from core.record import CommandRecord, RecordedEvent, new_void
from core.settings import Settings
from core.types import TopicType

NewCaller = Callable[..., Caller]

SDL = "type Query { a: Int }"


@pytest.fixture
def there(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Return the commands of another machine on the same log."""
    with Commands(replace(settings, data_dir=tmp_path_factory.mktemp("there"))) as there:
        yield there


def last_position(commands: Commands) -> int | None:
    log = commands.command_log
    log.wait_until_folded(log.topic.end_offset() - 1, 30)
    return log.index.max_notification_id()


def test_the_same_command_again_answers_the_same_wherever_it_is_sent(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    first = create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    assert first == create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    last_position(there)
    assert first == create_gateway(there, settings, caller("c1"), NewGateway("shop"))
    # Also when it could not be carried out any more, or had nothing to do.
    applied = apply_schema(commands, caller("c2"), "shop", SDL)
    deleted = delete_gateway(commands, caller("c3"), "shop")
    assert (2, 3) == (applied.position, deleted)
    assert 1 == create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    assert 2 == apply_schema(commands, caller("c2"), "shop", SDL).position
    assert 3 == delete_gateway(commands, caller("c3"), "shop")
    assert 3 == last_position(commands)


def test_the_same_command_at_the_same_time_from_two_machines_is_recorded_once(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    for i in range(10):
        who = caller()

        def create(
            machine: Commands,
            who: Caller = who,
            new: NewGateway = NewGateway(f"shop-{i}"),  # noqa: B008 - made once
        ) -> int:
            return create_gateway(machine, settings, who, new)

        with ThreadPoolExecutor(4) as threads:
            positions = list(threads.map(create, [commands, there, commands, there]))
        assert [i + 1] * 4 == positions
    assert 10 == last_position(commands) == last_position(there)


def test_two_schemas_of_one_topic_have_ids_of_their_own_also_when_others_take_some_at_the_same_time(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    types = " ".join(f"type K{i} {{ k{i}: Int }} type V{i} {{ v{i}: Int }}" for i in range(8))
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=f"{SDL} {types}"))
    last_position(there)
    admin = KafkaAdmin(settings.kafka)

    def create(number: int) -> None:
        new = NewTopic(
            f"{settings.log_topic}-{number}",
            TopicType.SCHEMA,
            TopicType.SCHEMA,
            SchemaReference("shop", f"V{number}"),
            SchemaReference("shop", f"K{number}"),
        )
        create_topic((commands, there)[number % 2], admin, settings, caller(), new)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create, range(8)))
    last_position(commands)
    events = commands.command_log.index.notifications(1, 1000)
    taken = [json.loads(event.state)["schema_id"] for _, event in events if event.topic == "quick:SchemaIdTaken"]
    assert list(range(1, 17)) == taken


def test_a_command_that_another_machine_carries_out_while_it_is_decided_has_that_answer(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    who = caller("c1")

    def decide(consulted: Consulted) -> list[LogEvent]:
        # The very same command is recorded from elsewhere, and this machine has read it, before it looks.
        create_gateway(there, settings, who, NewGateway("shop"))
        last_position(commands)
        gateway = consulted.gateway("shop")
        if gateway.state is not None:
            raise ConflictError("there is one already")
        return [gateway.record(gateways.GatewayCreated, name="shop", replicas=1, tag=None, sdl="")]

    assert 1 == commands.carry_out(who, "create_gateway", "gateway/shop", decide)


def test_a_command_with_nothing_left_to_do_since_it_was_carried_out_elsewhere_has_that_answer(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    last_position(there)
    who = caller("c1")

    def decide(consulted: Consulted) -> list[LogEvent]:
        delete_gateway(there, who, "shop")
        last_position(commands)
        gateway = consulted.gateway("shop")
        return [] if gateway.state is None else [gateway.record(gateways.GatewayDeleted, name="shop")]

    assert 2 == commands.carry_out(who, "delete_gateway", "gateway/shop", decide)


def test_a_command_with_nothing_to_do_records_nothing(commands: Commands, caller: NewCaller) -> None:
    assert commands.carry_out(caller(), "delete_gateway", "gateway/none", lambda _: []) is None
    assert last_position(commands) is None


def test_a_command_id_is_that_of_one_command(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    with pytest.raises(ConflictError, match="c1 is that of another command, recorded at position 1"):
        create_gateway(commands, settings, caller("c1"), NewGateway("zoo"))
    with pytest.raises(ConflictError, match="with an id of its own"):
        delete_gateway(commands, caller("c1"), "shop")
    last_position(there)
    with pytest.raises(ConflictError, match="c1"):
        delete_gateway(there, caller("c1"), "shop")
    assert 1 == last_position(commands)


def test_of_two_commands_that_use_one_id_at_the_same_time_the_second_is_refused(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    who = caller("c1")

    def decide(consulted: Consulted) -> list[LogEvent]:
        create_gateway(there, settings, who, NewGateway("shop"))  # Not read here before the append.
        gateway = consulted.gateway("zoo")
        return [gateway.record(gateways.GatewayCreated, name="zoo", replicas=1, tag=None, sdl="")]

    with pytest.raises(ConflictError, match="c1 is that of another command"):
        commands.carry_out(who, "create_gateway", "gateway/zoo", decide)
    assert 1 == last_position(commands)


def test_a_command_that_was_given_up_is_never_recorded(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    log = commands.command_log
    log.wait_until_folded(log._write(new_void("quick", "c1")), 30)
    with pytest.raises(CommandNotRecordedError, match=r"given up .* Send it again with a new command id"):
        create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    assert 1 == create_gateway(commands, settings, caller(), NewGateway("shop"))


def test_a_command_that_is_given_up_while_it_is_decided_is_not_recorded(
    commands: Commands, there: Commands, caller: NewCaller
) -> None:
    def decide(consulted: Consulted) -> list[LogEvent]:
        there.command_log._write(new_void("quick", "c1"))
        gateway = consulted.gateway("shop")
        return [gateway.record(gateways.GatewayCreated, name="shop", replicas=1, tag=None, sdl="")]

    with pytest.raises(CommandNotRecordedError):
        commands.carry_out(caller("c1"), "create_gateway", "gateway/shop", decide)
    assert last_position(commands) is None


def test_a_command_is_decided_again_when_what_it_looked_at_has_changed(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    looks: list[bool] = []

    def decide(consulted: Consulted) -> list[LogEvent]:
        shop, zoo = consulted.gateway("shop"), consulted.gateway("zoo")
        looks.append(shop.state is not None)
        if len(looks) == 1:
            create_gateway(there, settings, caller(), NewGateway("shop"))
        return [zoo.record(gateways.GatewayCreated, name="zoo", replicas=1, tag=None, sdl="")]

    assert 2 == commands.carry_out(caller(), "create_gateway", "gateway/zoo", decide)
    assert [False, True] == looks


def test_a_command_about_what_never_rests_is_given_up_with_a_conflict(
    commands: Commands, there: Commands, settings: Settings, caller: NewCaller
) -> None:
    def decide(consulted: Consulted) -> list[LogEvent]:
        gateway = consulted.gateway("shop")
        if delete_gateway(there, caller(), "shop") is None:
            create_gateway(there, settings, caller(), NewGateway("shop"))
        return [gateway.record(gateways.GatewayCreated, name="shop", replicas=1, tag=None, sdl="")]

    with pytest.raises(ConflictError, match=r"gateway/shop is being changed by others at the same time\. Try again"):
        commands.carry_out(caller(), "create_gateway", "gateway/shop", decide)


def test_a_refusal_is_the_command_s_own_when_its_id_is_new(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    with pytest.raises(NotFoundError):
        apply_schema(commands, caller("c1"), "nothing", SDL)
    assert 1 == create_gateway(commands, settings, caller("c1"), NewGateway("nothing"))


def test_the_record_says_who_and_why_and_what_it_relied_on(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
    who = caller("c2")._replace(trace="00-0123-45-01")
    apply_schema(commands, who, "shop", SDL)
    found = commands.command_log.index.command_of(2)
    assert found is not None
    record = found.record
    assert ("c2", "apply_schema", "gateway/shop") == (record.command_id, record.command, record.target)
    assert ("default", "me@here", "because", "00-0123-45-01") == (
        record.actor,
        record.source,
        record.reason,
        record.trace,
    )
    assert [1] == [expected.head for expected in record.expected]


def test_a_command_of_a_later_program_with_the_same_id_is_another_one(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    """A record without a command, as another application may write, is not taken for ours."""
    foreign = CommandRecord(
        format=1,
        application="other",
        command_id="c1",
        events=(RecordedEvent(str(uuid.uuid4()), 1, "other:Event", "{}"),),
    )
    commands.command_log.append(foreign)
    with pytest.raises(ConflictError, match="c1"):
        create_gateway(commands, settings, caller("c1"), NewGateway("shop"))
