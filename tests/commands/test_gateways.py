from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.decisions import Caller, Commands
from commands.gateways import NewGateway, apply_schema, create_gateway, delete_gateway
from commands.topics import NewTopic, SchemaReference, create_topic
from core.errors import ConflictError, InvalidSdlError, NotFoundError
from core.kafka_admin import KafkaAdmin
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
    assert apply_schema(commands, caller(), "shop", SDL) is not None
    assert apply_schema(commands, caller(), "shop", SDL) is None


def test_a_gateway_lives_once_and_is_deleted_at_will(commands: Commands, settings: Settings, caller: NewCaller) -> None:
    create_gateway(commands, settings, caller(), NewGateway("shop"))
    with pytest.raises(ConflictError, match="The resource with the name shop already exists"):
        create_gateway(commands, settings, caller(), NewGateway("shop"))
    assert delete_gateway(commands, caller(), "shop") is not None
    assert delete_gateway(commands, caller(), "shop") is None
    with pytest.raises(NotFoundError, match="Could not find resource shop"):
        apply_schema(commands, caller(), "shop", SDL)
