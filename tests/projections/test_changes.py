"""What a command changed, and what is different between two moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.log_rows import IndexedCommand
from core.mirrors import MirrorAltered, MirrorCreated, MirrorRebuildRequested
from projections.changes import Change, FieldChange, changes_between, changes_by
from projections.past import past_registries
from tests.made_log import MadeLog

OLD = "type Query {\n  a: Int\n}\n"
NEW = "type Query {\n  a: Long\n}\n"


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    return MadeLog(tmp_path / "index")


def between(log: MadeLog, first: int, last: int) -> list[Change]:
    return changes_between(*past_registries(log.index, [first, last]))


def command(log: MadeLog, position: int) -> IndexedCommand:
    found = log.index.command_of(position)
    assert found is not None
    return found


def kinds(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.change, change.noun, change.name) for change in changes]


def test_what_came_and_went_in_between_is_no_difference(log: MadeLog) -> None:
    log.create_topic("a")
    last = log.delete_topic("a")
    assert [] == between(log, 0, last)


def test_created_changed_and_removed_are_told_apart(log: MadeLog) -> None:
    log.create_topic("old")
    begin = log.create_gateway("shop", OLD)
    log.apply_schema("shop", NEW)
    log.delete_topic("old")
    end = log.create_topic("new")
    expected = [("created", "topic", "new"), ("removed", "topic", "old"), ("changed", "gateway", "shop")]
    assert expected == kinds(between(log, begin, end))


def test_what_was_deleted_and_created_again_is_replaced_even_when_it_looks_the_same(log: MadeLog) -> None:
    begin = log.create_topic("a")
    log.delete_topic("a")
    end = log.create_topic("a")
    assert [Change("replaced", "topic", "a", [])] == between(log, begin, end)


def test_a_change_of_a_schema_is_a_diff_of_its_lines(log: MadeLog) -> None:
    begin = log.create_gateway("shop", OLD)
    end = log.apply_schema("shop", NEW)
    (change,) = between(log, begin, end)
    (field,) = change.fields
    assert ("sdl", OLD, NEW) == (field.field, field.before, field.after)
    assert field.diff is not None
    assert ["-  a: Int", "+  a: Long"] == [line for line in field.diff.splitlines()[2:] if line[0] in "+-"]


def test_only_the_fields_that_differ_are_named(log: MadeLog) -> None:
    begin = log.create_gateway("shop", "a")
    end = log.apply_schema("shop", "b")
    assert [Change("changed", "gateway", "shop", [FieldChange("sdl", "a", "b")])] == between(log, begin, end)


def test_fields_that_lie_deeper_are_dotted(log: MadeLog) -> None:
    (change,) = between(log, 0, log.create_topic("a"))
    assert FieldChange("config.cleanup.policy", None, "compact") in change.fields


def test_a_command_shows_what_it_changed_and_nothing_else(log: MadeLog) -> None:
    log.create_gateway("shop", OLD)
    position = log.apply_schema("shop", NEW)
    log.create_topic("later")
    (change,) = changes_by(log.index, command(log, position))
    assert ("changed", "gateway", "shop") == (change.change, change.noun, change.name)
    assert [("created", "topic", "later")] == kinds(changes_by(log.index, command(log, position + 1)))


def test_a_deletion_shows_what_was_there(log: MadeLog) -> None:
    log.create_topic("a")
    (change,) = changes_by(log.index, command(log, log.delete_topic("a")))
    assert "removed" == change.change
    assert FieldChange("key_type", "LONG", None) in change.fields


def test_the_key_schema_and_each_setting_are_fields_of_their_own(log: MadeLog) -> None:
    schema = {"gateway": "g", "type": "K", "schema_id": 1, "schema_type": "AVRO", "schema": "{}"}
    start = log.create_topic(
        "a", {"key_schema": schema | {"sdl": "type K {\n  b: Int\n}"}, "config": {"retention.ms": "1"}}
    )
    (change,) = changes_by(log.index, command(log, start))
    shown = {field.field: field.after for field in change.fields}
    assert ("1", "K", 1) == (shown["config.retention.ms"], shown["key_schema.type"], shown["key_schema.schema_id"])
    log.delete_topic("a")
    end = log.create_topic(
        "a", {"key_schema": schema | {"sdl": "type K {\n  b: Long\n}"}, "config": {"retention.ms": "2"}}
    )
    (change,) = between(log, start, end)
    assert "replaced" == change.change
    retention, sdl = change.fields
    assert FieldChange("config.retention.ms", "1", "2") == retention
    assert "key_schema.sdl" == sdl.field
    assert sdl.diff is not None
    assert "-  b: Int\n+  b: Long" in sdl.diff


def test_what_a_mirror_keeps_is_shown_by_its_fields_and_nothing_stands_for_nothing(log: MadeLog) -> None:
    created = log.event("mirror", "a", MirrorCreated, topic="a", replicas=1, tag=None, definition={})
    start = log.record("create_mirror", "mirror/a", created)
    (change,) = changes_by(log.index, command(log, start))
    assert ["name", "topic", "replicas"] == [field.field for field in change.fields]
    altered = log.event("mirror", "a", MirrorAltered, definition={"range_field": "at", "indexes": ["id"]})
    (change,) = changes_by(log.index, command(log, log.record("alter_mirror", "mirror/a", altered)))
    assert [
        FieldChange("definition.range_field", None, "at"),
        FieldChange("definition.indexes", None, ("id",)),
    ] == change.fields
    position = log.record("rebuild_mirror", "mirror/a", log.event("mirror", "a", MirrorRebuildRequested))
    (change,) = changes_by(log.index, command(log, position))
    assert [FieldChange("definition.build", None, 1)] == change.fields


def test_an_application_is_shown_with_its_arguments_and_is_replaced_when_it_is_deployed_again(log: MadeLog) -> None:
    start = log.deploy_application("counter")
    (change,) = changes_by(log.index, command(log, start))
    assert ("created", "application", "counter") == (change.change, change.noun, change.name)
    assert FieldChange("arguments.in.topics", None, "a") in change.fields
    log.delete_application("counter")
    assert [Change("replaced", "application", "counter", [])] == between(log, start, log.deploy_application("counter"))
