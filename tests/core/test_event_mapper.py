from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import pytest
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from core.aggregates import EVENT_TYPES, LogEvent, aggregate_id
from core.errors import FoldError, UnknownEventError
from core.event_mapper import EventMapper
from core.log_rows import IndexedEvent
from core.topics import TopicCreated, TopicDeleted
from core.upcasting import EventVersion, Facts, Upcaster, Upcasters

ID = aggregate_id("topic", "t")

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_numbers = st.integers(-(2**63), 2**63 - 1)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_of_type = {
    str: _texts,
    int: _numbers,
    int | None: st.none() | _numbers,
    str | None: st.none() | _texts,
    list[str]: st.lists(_texts, max_size=3),
    dict[str, str]: st.dictionaries(_texts, _texts, max_size=3),
    dict[str, object]: st.dictionaries(_texts, _values, max_size=3),
    list[dict[str, object]]: st.lists(st.dictionaries(_texts, _values, max_size=3), max_size=2),
    dict[str, object] | None: st.none() | st.dictionaries(_texts, _values, max_size=3),
}


def concrete_types() -> list[type[LogEvent]]:
    return [event for event in EVENT_TYPES.values() if not event.__subclasses__()]


def events_of(event: type[LogEvent]) -> st.SearchStrategy[LogEvent]:
    hints = typing.get_type_hints(event)
    facts = {field.name: _of_type[hints[field.name]] for field in dataclasses.fields(event)[2:]}
    return st.builds(event, originator_id=st.uuids(), originator_version=st.integers(1, 2**63 - 1), **facts)


_events = st.sampled_from(concrete_types()).flatmap(events_of)


def test_all_events_that_the_log_knows_are_looked_at() -> None:
    assert {
        "quick:GatewayCreated",
        "quick:GatewaySchemaApplied",
        "quick:GatewayDeleted",
        "quick:KeyCreated",
        "quick:KeyRevoked",
        "quick:LogSafetyChanged",
        "quick:MirrorCreated",
        "quick:MirrorDeleted",
        "quick:SchemaRegistered",
        "quick:SubjectDeleted",
        "quick:SchemaIdTaken",
        "quick:SchemaFingerprinted",
        "quick:TopicCreated",
        "quick:TopicSchemaChanged",
        "quick:TopicDeleted",
    } <= {event.TOPIC for event in concrete_types()}


@given(_events)
def test_every_event_comes_back_as_it_was(event: LogEvent) -> None:
    mapper = EventMapper()
    stored = mapper.to_stored_event(event)
    assert event == mapper.to_domain_event(stored)
    indexed = IndexedEvent(str(stored.originator_id), stored.originator_version, stored.topic, stored.state, 7)
    assert event == mapper.event(indexed)


@given(_events)
def test_the_library_s_own_mapper_reads_and_writes_the_same(event: LogEvent) -> None:
    ours, theirs = EventMapper(), Mapper[UUID](JSONTranscoder())
    assert theirs.to_stored_event(event) == ours.to_stored_event(event)
    assert event == theirs.to_domain_event(ours.to_stored_event(event))
    assert event == ours.to_domain_event(theirs.to_stored_event(event))


def stored(topic: str, state: bytes) -> StoredEvent:
    return StoredEvent(ID, 1, topic, state)


def test_a_stored_event_is_json_that_a_person_can_read() -> None:
    event = TopicDeleted(originator_id=ID, originator_version=3, name="größe")
    assert StoredEvent(ID, 3, "quick:TopicDeleted", '{"name":"größe"}'.encode()) == EventMapper().to_stored_event(event)


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("quick:TopicRenamed", b'{"name":"t"}'),
        ("", b"{}"),
        ("quick:TopicDeleted", b'{"name":"t","class_version":2}'),
        ("quick:TopicDeleted", b'{"name":"t","class_version":0}'),
        ("quick:TopicDeleted", b'{"name":"t","class_version":"1"}'),
        ("quick:TopicDeleted", b'{"name":"t","class_version":null}'),
        ("quick:TopicDeleted", b'{"name":"t","class_version":[1]}'),
        ("quick:TopicDeleted", b"{}"),
        ("quick:TopicDeleted", b'{"name":3}'),
        ("quick:TopicDeleted", b'{"name":null}'),
        ("quick:TopicDeleted", b'{"name":"t","more":1}'),
        ("quick:TopicDeleted", b'{"name":"t","originator_id":"x"}'),
        ("quick:TopicDeleted", b'["t"]'),
        ("quick:TopicDeleted", b"null"),
        ("quick:TopicDeleted", b""),
        ("quick:TopicDeleted", b"\xff"),
        ("quick:TopicDeleted", b'{"name":"\xff"}'),
        ("quick:TopicDeleted", b'{"name":"t","more":1e999}'),
        ("quick:TopicDeleted", b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ],
)
def test_an_event_that_this_program_does_not_know_is_told_with_its_offset(topic: str, state: bytes) -> None:
    mapper = EventMapper()
    with pytest.raises(UnknownEventError, match="upgrade this one"):
        mapper.to_domain_event(stored(topic, state))
    with pytest.raises(UnknownEventError, match=f"record at offset 7 of the log .* an event {topic} ") as caught:
        mapper.event(IndexedEvent(str(ID), 1, topic, state, 7))
    assert isinstance(caught.value, FoldError)


@pytest.mark.parametrize("originator_id", ["", "not-a-uuid", "x" * 1000, "topic:t"])
def test_an_event_of_an_aggregate_that_is_none_of_ours_is_told_with_its_offset(originator_id: str) -> None:
    with pytest.raises(UnknownEventError, match="offset 7"):
        EventMapper().event(IndexedEvent(originator_id, 1, "quick:TopicDeleted", b'{"name":"t"}', 7))


def test_a_version_that_is_named_though_it_is_the_first_is_read() -> None:
    event = EventMapper().to_domain_event(stored("quick:TopicDeleted", b'{"name":"t","class_version":1}'))
    assert TopicDeleted(originator_id=ID, originator_version=1, name="t") == event


@pytest.fixture
def moved() -> Iterator[type[LogEvent]]:
    """Return an event that is at its third version, and was called otherwise before the second."""
    before = dict(EVENT_TYPES)

    @dataclass(frozen=True)
    class TopicMoved(LogEvent):
        noun: ClassVar[str] = "topic"
        class_version: ClassVar[int] = 3

        name: str
        place: str

    yield TopicMoved
    EVENT_TYPES.clear()
    EVENT_TYPES.update(before)


def _to_place(facts: Facts) -> Facts:
    facts["place"] = facts.pop("to")
    return facts


def mapper_of_moved() -> EventMapper:
    moved = "quick:TopicMoved"
    steps = [
        Upcaster(EventVersion("quick:TopicShifted", 1), EventVersion(moved, 2), lambda facts: facts),
        Upcaster(EventVersion(moved, 1), EventVersion(moved, 2), lambda facts: facts),
        Upcaster(EventVersion(moved, 2), EventVersion(moved, 3), _to_place),
    ]
    return EventMapper(upcasters=Upcasters({moved: 3}, steps))


def test_a_version_above_the_first_is_named_in_the_state_and_read_by_the_library_too(moved: type[Any]) -> None:
    mapper = mapper_of_moved()
    event = moved(originator_id=ID, originator_version=1, name="t", place="here")
    kept = mapper.to_stored_event(event)
    assert {"name": "t", "place": "here", "class_version": 3} == json.loads(kept.state)
    assert event == mapper.to_domain_event(kept)
    assert Mapper[UUID](JSONTranscoder()).to_stored_event(event) == kept


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("quick:TopicShifted", b'{"name":"t","to":"here"}'),
        ("quick:TopicMoved", b'{"name":"t","to":"here"}'),
        ("quick:TopicMoved", b'{"name":"t","to":"here","class_version":2}'),
        ("quick:TopicMoved", b'{"name":"t","place":"here","class_version":3}'),
    ],
)
def test_an_old_event_is_read_as_if_it_were_written_today(moved: type[Any], topic: str, state: bytes) -> None:
    event = mapper_of_moved().to_domain_event(stored(topic, state))
    assert moved(originator_id=ID, originator_version=1, name="t", place="here") == event


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("quick:TopicMoved", b'{"name":"t","to":"here","class_version":4}'),
        ("quick:TopicShifted", b'{"name":"t","to":"here","class_version":2}'),
        ("quick:TopicMoved", b'{"name":"t","class_version":2}'),
        ("quick:TopicMoved", b'{"name":"t","place":"here","class_version":2}'),
    ],
)
def test_an_old_event_that_no_upcaster_can_read_is_unknown(moved: type[Any], topic: str, state: bytes) -> None:
    with pytest.raises(UnknownEventError, match="does not know"):
        mapper_of_moved().to_domain_event(stored(topic, state))


def test_a_mapper_with_incomplete_upcasters_is_not_made(moved: type[Any]) -> None:
    with pytest.raises(Exception, match="No upcaster reads quick:TopicMoved version 1"):
        EventMapper()


def test_facts_are_stored_as_they_are_and_not_shared() -> None:
    config = {"cleanup.policy": "compact"}
    event = TopicCreated(
        originator_id=ID,
        originator_version=1,
        name="t",
        write_type="MUTABLE",
        key_type="string",
        value_type="string",
        partitions=1,
        replication_factor=1,
        config=config,
        value_schema=None,
        key_schema=None,
    )
    kept = EventMapper().to_stored_event(event)
    config["more"] = "x"
    read = EventMapper().to_domain_event(kept)
    assert isinstance(read, TopicCreated)
    assert {"cleanup.policy": "compact"} == read.config
