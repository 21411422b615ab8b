from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.decisions import Caller, Commands
from commands.gateways import MAX_RECORDED_CHANGES, NewGateway, apply_schema, create_gateway, delete_gateway
from commands.topics import NewTopic, SchemaReference, create_topic
from core.errors import BreakingChangesError, ConflictError, InvalidSdlError, NotFoundError
from core.gateways import GatewaySchemaApplied
from core.kafka_admin import KafkaAdmin
from core.sdl import parse_gateway_schema
from core.settings import Settings
from core.types import TopicType

NewCaller = Callable[..., Caller]

SDL = """
type Query { product(id: Int): Product @topic(name: "product", keyArgument: "id") }
type Product { id: Int!  name: String  other: Product @topic(name: "product", keyField: "id") }
"""


def test_a_gateway_is_refused_when_its_keys_do_not_fit_a_topic(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    create_topic(commands, admin, settings, caller(), NewTopic("product", TopicType.STRING, TopicType.STRING))
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    with pytest.raises(InvalidSdlError) as caught:
        apply_schema(commands, caller(), "shop", SDL)
    assert 2 == caught.value.problems[0].line


def test_a_gateway_is_compared_with_the_records_of_topics(
    commands: Commands, admin: KafkaAdmin, settings: Settings, caller: NewCaller
) -> None:
    for name in ("shop", "other"):
        create_gateway(commands, settings, caller(), NewGateway(name))
    apply_schema(commands, caller(), "shop", SDL)
    topic = NewTopic("product", TopicType.INTEGER, TopicType.SCHEMA, value_schema=SchemaReference("shop", "Product"))
    create_topic(commands, admin, settings, caller(), topic)
    with pytest.raises(InvalidSdlError) as caught:
        apply_schema(commands, caller(), "other", SDL.replace("name: String", "name: Int  new: Int!"))
    assert [
        ("Product.name", 3),
        ("Product.new", 3),
    ] == [(problem.message.split()[0], problem.line) for problem in caught.value.problems]
    assert apply_schema(commands, caller(), "other", SDL.replace("name: String", "name: String!  new: Int")) is not None
    assert apply_schema(commands, caller(), "shop", SDL.replace("name: String", "name: String  new: Int!")) is not None


def test_applying_the_same_schema_again_records_nothing(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    assert apply_schema(commands, caller(), "shop", SDL).position is not None
    again = apply_schema(commands, caller(), "shop", SDL)
    assert (None, False, []) == (again.position, again.is_changed, again.changes)
    assert 2 == len(again.warnings)


def test_a_gateway_lives_once_and_is_deleted_at_will(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    with pytest.raises(ConflictError, match="The resource with the name shop already exists"):
        create_gateway(commands, settings, caller(), NewGateway("shop"))
    assert delete_gateway(commands, caller(), "shop") is not None
    assert delete_gateway(commands, caller(), "shop") is None
    with pytest.raises(NotFoundError, match="Could not find resource shop"):
        apply_schema(commands, caller(), "shop", SDL)


BROKEN = SDL.replace("name: String ", "title: String ").replace("Int)", "Int, size: Int)")
"""Takes a field away, and adds another one and an argument."""


def test_a_schema_is_recorded_with_what_it_changes(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    first = apply_schema(commands, caller(), "shop", SDL)
    assert ["Product", "Query"] == [change.coordinate for change in first.changes]
    assert 'topic "product" does not exist yet (line 2, column 40)' == first.warnings[0]
    second = apply_schema(commands, caller(), "shop", BROKEN)
    assert [("breaking", "Product.name"), ("safe", "Product.title"), ("safe", "Query.product(size:)")] == [
        (change.severity, change.coordinate) for change in second.changes
    ]
    assert second.position is not None
    (event,) = commands.events_at(second.position)
    assert isinstance(event, GatewaySchemaApplied)
    assert {"breaking": 1, "dangerous": 0, "safe": 2} == event.counts
    removed = {"severity": "breaking", "coordinate": "Product.name", "text": "Field Product.name was removed."}
    assert removed == event.changes[0]


def test_a_schema_is_only_checked_where_that_is_wanted(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    last = commands.command_log.index.max_notification_id()
    checked = apply_schema(commands, caller(), "shop", BROKEN, dry_run=True)
    assert (None, SDL, True, 3) == (checked.position, checked.before, checked.is_changed, len(checked.changes))
    assert last == commands.command_log.index.max_notification_id()
    with pytest.raises(NotFoundError, match="Could not find resource nowhere"):
        apply_schema(commands, caller(), "nowhere", SDL, dry_run=True)


def test_a_schema_that_breaks_somebody_is_refused_where_that_is_wanted(
    commands: Commands, settings: Settings, caller: NewCaller
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    for is_dry in (True, False):
        with pytest.raises(BreakingChangesError) as caught:
            apply_schema(commands, caller(), "shop", BROKEN, fail_on_breaking=True, dry_run=is_dry)
        assert [
            "Field Product.name was removed. Keep it and mark it @deprecated; remove it when no operation uses it."
        ] == caught.value.changes
    kept = SDL.replace("name: String ", "name: String  title: String ")
    assert apply_schema(commands, caller(), "shop", kept, fail_on_breaking=True).position is not None


def test_a_repeated_command_tells_what_was_recorded(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl=SDL))
    first = apply_schema(commands, caller("once"), "shop", BROKEN)
    again = apply_schema(commands, caller("once"), "shop", BROKEN)
    assert (first.position, True) == (again.position, again.is_changed)
    assert [change.text for change in first.changes] == [change.text for change in again.changes]


def test_a_schema_before_that_cannot_be_used_is_in_nobodys_way(
    commands: Commands, settings: Settings, caller: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    with monkeypatch.context() as patch:  # As a version did that knew less rules.
        patch.setattr("commands.gateways.parse_gateway_schema", lambda _: parse_gateway_schema(SDL))
        apply_schema(commands, caller(), "shop", "type Query { a: Unknown }")
    applied = apply_schema(commands, caller(), "shop", SDL, fail_on_breaking=True)
    assert ["This version cannot use the schema before, so nothing is compared with it."] == [
        change.text for change in applied.changes
    ]


def test_only_the_worst_of_many_changes_are_kept(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop", sdl="type Query { a: Int  b: Int }"))
    fields = " ".join(f'f{number}: Int @deprecated(reason: "{"x" * 1000}")' for number in range(300))
    applied = apply_schema(commands, caller(), "shop", f"type Query {{ a: Int {fields} }}")
    assert applied.position is not None
    (event,) = commands.events_at(applied.position)
    assert isinstance(event, GatewaySchemaApplied)
    assert (MAX_RECORDED_CHANGES, "Query.b") == (len(event.changes), event.changes[0]["coordinate"])
    assert {"breaking": 1, "dangerous": 0, "safe": 300} == event.counts
