"""The registry is a fold: it needs no broker."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.aggregates import LogEvent, Stream, aggregate_id
from core.applications import ApplicationDeleted, ApplicationDeployed
from core.errors import FoldError, NotFoundError, StoreError, ViewBehindError
from core.gateways import GatewayCreated, GatewayDeleted, GatewaySchemaApplied
from core.registered_schema import RegisteredSchema
from core.store import Store, number_key
from core.subjects import SchemaIdTaken
from core.topics import TopicCreated, TopicDeleted
from projections.registry import POSITION, TABLES, RecordedEvent, RegistryProjection, RegistryView


@pytest.fixture
def registry(tmp_path: Path) -> RegistryProjection:
    return RegistryProjection(tmp_path / "registry")


def topic_created(name: str, version: int = 1) -> LogEvent:
    return TopicCreated(
        originator_id=aggregate_id("topic", name),
        originator_version=version,
        name=name,
        write_type="MUTABLE",
        key_type="LONG",
        value_type="STRING",
        partitions=3,
        replication_factor=1,
        config={},
        value_schema=None,
        key_schema=None,
    )


def topic_deleted(name: str, version: int) -> LogEvent:
    return TopicDeleted(originator_id=aggregate_id("topic", name), originator_version=version, name=name)


def fold(registry: RegistryProjection, *events: LogEvent, after: int = 0) -> RegistryView:
    recorded = [RecordedEvent(position, event) for position, event in enumerate(events, start=after + 1)]
    registry.fold(recorded, after + len(events))
    return registry.view


def test_rows_come_by_name_with_their_incarnation(registry: RegistryProjection) -> None:
    view = fold(registry, topic_created("b"), topic_created("a"))
    assert [("a", 2), ("b", 1)] == [(row.state.name, row.incarnation) for row in view.topics()]
    assert 2 == view.position()


def test_what_is_deleted_and_created_again_is_another_incarnation(registry: RegistryProjection) -> None:
    view = fold(registry, topic_created("a"), topic_deleted("a", 2), topic_created("a", 3))
    assert 3 == view.topic("a").incarnation


def test_a_change_moves_the_position_and_keeps_the_incarnation(registry: RegistryProjection) -> None:
    shop = Stream[object](aggregate_id("gateway", "shop"), 0, None)
    created = shop.record(GatewayCreated, name="shop", replicas=1, tag=None, sdl="")
    applied = GatewaySchemaApplied(originator_id=shop.id, originator_version=2, name="shop", sdl="type Query")
    row = fold(registry, created, applied).gateway("shop")
    assert (1, 2, "type Query") == (row.incarnation, row.position, row.state.sdl)
    deleted = GatewayDeleted(originator_id=shop.id, originator_version=3, name="shop")
    with pytest.raises(NotFoundError, match="Could not find resource shop"):
        fold(registry, deleted, after=2).gateway("shop")


def test_applications_have_rows_by_name_with_position_and_incarnation(registry: RegistryProjection) -> None:
    facts = {"registry": "bakdata", "image_name": "counter", "tag": "1", "replicas": 1, "port": 8080}

    def deployed(name: str, version: int) -> LogEvent:
        return ApplicationDeployed(
            originator_id=aggregate_id("application", name),
            originator_version=version,
            name=name,
            image_pull_secret=None,
            arguments={"input-topics": "a"},
            **facts,  # type: ignore[arg-type]
        )

    gone = ApplicationDeleted(originator_id=aggregate_id("application", "a"), originator_version=2, name="a")
    view = fold(registry, deployed("b", 1), deployed("a", 1), gone, deployed("a", 3))
    assert [("a", 4, 4), ("b", 1, 1)] == [
        (row.state.name, row.incarnation, row.position) for row in view.applications()
    ]
    state = view.application("a").state
    assert ("bakdata/counter:1", 8080, {"input-topics": "a"}) == (state.image, state.port, state.arguments)
    with pytest.raises(NotFoundError, match=r"There is no application c\. Those that there are: quick app list"):
        view.application("c")


def test_a_registry_that_knew_no_applications_yet_goes_on_with_what_it_has(tmp_path: Path) -> None:
    earlier = Store(tmp_path / "registry", [table for table in TABLES if table != "application"])
    earlier.update(lambda txn: txn.put("meta", POSITION, number_key(7)))
    earlier.close()
    with pytest.raises(StoreError):
        RegistryView.open(tmp_path / "registry")
    projection = RegistryProjection(tmp_path / "registry")
    assert (7, []) == (projection.view.position(), projection.view.applications())
    projection.close()
    reader = RegistryView.open(tmp_path / "registry")
    assert [] == reader.applications()
    reader.close()


def test_what_is_unknown_is_named(registry: RegistryProjection) -> None:
    view = fold(registry)
    with pytest.raises(NotFoundError, match="Topic x not found in topic registry"):
        view.topic("x")
    with pytest.raises(NotFoundError, match="Schema 7"):
        view.schema(7)


def test_schemas_are_found_by_id(registry: RegistryProjection) -> None:
    taken = SchemaIdTaken(
        originator_id=aggregate_id("schema-id", "1"),
        originator_version=1,
        schema_id=1,
        schema_type="AVRO",
        schema="{}",
        references=[],
    )
    schema = RegisteredSchema(schema_id=1, schema_type="AVRO", schema="{}")
    assert schema == fold(registry, taken).schema(1)


def test_an_event_that_does_not_fit_keeps_nothing_of_its_batch(registry: RegistryProjection) -> None:
    with pytest.raises(FoldError):
        fold(registry, topic_created("a"), topic_deleted("b", 1))
    assert [] == registry.view.topics()
    assert 0 == registry.view.position()


def test_a_deleted_view_comes_back_the_same_from_the_events(tmp_path: Path) -> None:
    events = [topic_created("a"), topic_deleted("a", 2), topic_created("a", 3), topic_created("b")]
    rows = [fold(RegistryProjection(tmp_path / name), *events).topics() for name in ("first", "second")]
    assert rows[0] == rows[1]


def test_waiting_ends_with_the_position_or_the_time(registry: RegistryProjection) -> None:
    view = fold(registry, topic_created("a"))
    view.wait_for(1, timeout_s=0)
    with pytest.raises(ViewBehindError, match="position 2"):
        view.wait_for(2, timeout_s=0)


def test_an_event_that_says_what_nobody_understands_is_a_fold_error(registry: RegistryProjection) -> None:
    nonsense = dataclasses.replace(topic_created("a"), write_type="SOMETIMES")
    with pytest.raises(FoldError, match="position 1 cannot be folded"):
        fold(registry, nonsense)
    assert 0 == registry.view.position()
