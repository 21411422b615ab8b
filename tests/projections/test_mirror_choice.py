from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.aggregates import LogEvent, aggregate_id
from core.gateways import GatewayCreated, GatewaySchemaApplied
from core.mirrors import MirrorCreated
from core.roles import Role
from core.topics import TopicCreated
from projections.mirror_choice import choice_of
from projections.registry import RecordedEvent, RegistryProjection

SDL = """
type Query { a(k: String): String @topic(name: "seats", keyArgument: "k") }
type Mutation {
  book(k: String, v: String): String @topic(name: "bookings")
  tell(k: String, v: String): String @topic(name: "news")
}
"""


class Declared:
    """A registry with some topics."""

    def __init__(self, folder: Path) -> None:
        self.registry = RegistryProjection(folder)
        self._versions: dict[uuid.UUID, int] = {}
        self._position = 0

    def topic(self, name: str, write_type: str = "MUTABLE", *, has_mirror: bool = True) -> None:
        kinds = {"write_type": write_type, "key_type": "STRING", "value_type": "STRING", "config": {}}
        size = {"partitions": 1, "replication_factor": 1, "value_schema": None, "key_schema": None}
        self._fold("topic", name, TopicCreated, **kinds, **size)
        if has_mirror:
            self._fold("mirror", name, MirrorCreated, topic=name, replicas=1, tag=None, definition={})

    def gateway(self, name: str, sdl: str) -> None:
        self._fold("gateway", name, GatewayCreated, replicas=1, tag=None, sdl=sdl)

    def apply(self, name: str, sdl: str) -> None:
        self._fold("gateway", name, GatewaySchemaApplied, sdl=sdl)

    def chosen(self, role: Role, name: str | None = None) -> list[str]:
        return sorted(topic.state.name for topic, _ in choice_of(role, name)(self.registry.view))

    def _fold(self, noun: str, name: str, kind: type[LogEvent], **facts: object) -> None:
        origin = aggregate_id(noun, name)
        self._position += 1
        self._versions[origin] = self._versions.get(origin, 0) + 1
        event = kind(originator_id=origin, originator_version=self._versions[origin], name=name, **facts)
        self.registry.fold([RecordedEvent(self._position, event)], self._position)


@pytest.fixture
def declared(tmp_path: Path) -> Iterator[Declared]:
    declared = Declared(tmp_path)
    declared.topic("seats", "IMMUTABLE")
    declared.topic("bookings", "IMMUTABLE")
    declared.topic("news")
    declared.topic("unread", "IMMUTABLE", has_mirror=False)
    yield declared
    declared.registry.close()


def test_each_role_holds_the_mirrors_that_it_needs(declared: Declared) -> None:
    assert ["bookings", "news", "seats"] == declared.chosen(Role.ALL)
    assert ["bookings", "seats"] == declared.chosen(Role.INGEST)
    assert [] == declared.chosen(Role.MANAGER)
    assert [] == declared.chosen(Role.SCHEMA_REGISTRY)


def test_a_mirror_pod_holds_its_topic_as_soon_as_that_is_declared(declared: Declared) -> None:
    assert ["news"] == declared.chosen(Role.MIRROR, "news")
    assert [] == declared.chosen(Role.MIRROR, "unread")
    assert [] == declared.chosen(Role.MIRROR, "later")
    declared.topic("later")
    assert ["later"] == declared.chosen(Role.MIRROR, "later")


def test_a_gateway_holds_the_immutable_topics_that_its_mutations_write_to(declared: Declared) -> None:
    choice = choice_of(Role.GATEWAY, "shop")

    def chosen() -> list[str]:
        return [topic.state.name for topic, _ in choice(declared.registry.view)]

    assert [] == chosen()
    declared.gateway("shop", "")
    assert [] == chosen()
    declared.apply("shop", SDL)
    assert ["bookings"] == chosen()
    declared.apply("shop", "type Query { no")
    assert [] == chosen()
    declared.apply("shop", SDL.replace('"bookings"', '"seats"'))
    assert ["seats"] == chosen()
