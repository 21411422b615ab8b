"""Folds of all aggregates: facts in, state out, and nothing that does not follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core import applications, gateways, mirrors, subjects, topics
from core.aggregates import LogEvent, Stream, aggregate_id, project
from core.errors import FoldError

TOPIC_FACTS: dict[str, Any] = {
    "name": "t",
    "write_type": "MUTABLE",
    "key_type": "LONG",
    "value_type": "STRING",
    "partitions": 3,
    "replication_factor": 1,
    "config": {},
    "value_schema": None,
    "key_schema": None,
}

Fold = Callable[[Any, LogEvent], Any]

LIVES: list[tuple[Fold, type[LogEvent], dict[str, Any], type[LogEvent]]] = [
    (topics.fold, topics.TopicCreated, TOPIC_FACTS, topics.TopicDeleted),
    (
        mirrors.fold,
        mirrors.MirrorCreated,
        {"name": "t", "topic": "t", "replicas": 1, "tag": None, "definition": {}},
        mirrors.MirrorDeleted,
    ),
    (
        gateways.fold,
        gateways.GatewayCreated,
        {"name": "t", "replicas": 1, "tag": None, "sdl": ""},
        gateways.GatewayDeleted,
    ),
    (
        applications.fold,
        applications.ApplicationDeployed,
        {
            "name": "t",
            "registry": "bakdata",
            "image_name": "counter",
            "tag": "1",
            "replicas": 1,
            "port": None,
            "image_pull_secret": None,
            "arguments": {},
        },
        applications.ApplicationDeleted,
    ),
    (subjects.fold, subjects.SchemaRegistered, {"name": "t", "version": 1, "schema_id": 1}, subjects.SubjectDeleted),
]


@pytest.mark.parametrize(("fold", "created", "facts", "deleted"), LIVES)
def test_a_thing_lives_from_its_creation_to_its_deletion_and_again(
    fold: Fold, created: type[LogEvent], facts: dict[str, Any], deleted: type[LogEvent]
) -> None:
    stream = Stream[Any](aggregate_id(created.noun, "t"), 0, None)
    assert stream.head is None
    stream = stream.after(stream.record(created, **facts), fold)
    assert "t" == stream.state.name
    stream = stream.after(stream.record(deleted, name="t"), fold)
    assert (2, None) == (stream.head, stream.state)
    again = project(stream, [stream.record(created, **facts)], fold)
    assert again is not None
    assert 3 == again.version


@pytest.mark.parametrize(("fold", "created", "facts", "deleted"), LIVES)
def test_what_does_not_follow_stops_the_fold(
    fold: Fold, created: type[LogEvent], facts: dict[str, Any], deleted: type[LogEvent]
) -> None:
    with pytest.raises(FoldError, match="does not follow"):
        fold(None, deleted(originator_id=aggregate_id("x", "t"), originator_version=1, name="t"))  # type: ignore[call-arg]


def test_ids_follow_from_names_for_ever() -> None:
    assert "5814a1f0-e53b-5d56-bebe-9855f3d00946" == str(aggregate_id("topic", "flight"))
    assert aggregate_id("topic", "flight") != aggregate_id("mirror", "flight")
