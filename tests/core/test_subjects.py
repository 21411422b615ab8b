"""A subject as its events add up to it: versions that are deleted softly, for good, and the numbers that stay."""

from __future__ import annotations

from typing import Any

import pytest

from core import compatibility, subjects
from core.aggregates import LogEvent, Stream, aggregate_id
from core.compatibility import CompatibilityLevel
from core.errors import FoldError
from core.event_mapper import EventMapper
from core.log_rows import IndexedEvent
from core.registered_schema import RegisteredSchema, SchemaImport, with_imports

ID = aggregate_id("subject", "s")


def folded(*events: tuple[type[LogEvent], dict[str, Any]]) -> subjects.Subject | None:
    stream = Stream[subjects.Subject](ID, 0, None)
    for kind, facts in events:
        stream = stream.after(stream.record(kind, name="s", **facts), subjects.fold)
    return stream.state


def registered(version: int, schema_id: int) -> tuple[type[LogEvent], dict[str, Any]]:
    return subjects.SchemaRegistered, {"version": version, "schema_id": schema_id}


def soft(version: int) -> tuple[type[LogEvent], dict[str, Any]]:
    return subjects.SchemaVersionSoftDeleted, {"version": version}


def gone(version: int) -> tuple[type[LogEvent], dict[str, Any]]:
    return subjects.SchemaVersionDeleted, {"version": version}


def test_numbers_go_on_after_deletions() -> None:
    subject = folded(registered(1, 7), registered(2, 8), soft(1), gone(1), soft(2), registered(3, 7))
    assert subject is not None
    assert ([3], [2, 3], 7) == (subject.versions(), subject.versions(with_deleted=True), subject.id_of(3))


def test_a_subject_ends_with_its_last_version() -> None:
    assert folded(registered(1, 7), soft(1), gone(1)) is None
    again = folded(registered(1, 7), soft(1), gone(1), registered(1, 8))
    assert again == subjects.Subject(name="s", schema_ids=(8,))


def test_a_subject_is_deleted_softly_as_a_whole() -> None:
    subject = folded(registered(1, 7), registered(2, 8), soft(1), (subjects.SubjectSoftDeleted, {}))
    assert subject is not None
    assert ([], [1, 2]) == (subject.versions(), subject.versions(with_deleted=True))


def test_a_version_is_referenced_until_it_is_released() -> None:
    named = {"version": 1, "by_subject": "o", "by_version": 3}
    events = [registered(1, 7), (subjects.SchemaReferenced, named)]
    referenced, released = folded(*events), folded(*events, (subjects.SchemaReleased, named))
    assert referenced is not None
    assert released is not None
    assert (True, False) == (referenced.is_referenced(1), released.is_referenced(1))


@pytest.mark.parametrize("event", [soft(1), gone(1), (subjects.SubjectSoftDeleted, {}), (subjects.SubjectDeleted, {})])
def test_what_does_not_exist_cannot_be_deleted(event: tuple[type[LogEvent], dict[str, Any]]) -> None:
    with pytest.raises(FoldError, match="does not follow"):
        folded(event)


def test_an_id_of_an_old_log_names_no_other_schema() -> None:
    state = b'{"schema_id":1,"schema_type":"AVRO","schema":"{}"}'
    event = EventMapper().event(IndexedEvent(str(ID), 1, "quick:SchemaIdTaken", state, 7))
    expected = RegisteredSchema(schema_id=1, schema_type="AVRO", schema="{}")
    assert expected == subjects.fold_schema_id(None, event)


def test_a_fingerprint_tells_texts_formats_and_references_apart() -> None:
    one = SchemaImport(name="a", subject="b", version=1)
    prints = {
        subjects.fingerprint("AVRO", "x"),
        subjects.fingerprint("PROTOBUF", "x"),
        subjects.fingerprint("AVRO", "y"),
        subjects.fingerprint("AVRO", "x", [one]),
    }
    assert 4 == len(prints)
    assert "36da0bb5" == subjects.fingerprint("AVRO", "x")[:8], "part of every log"


def test_the_texts_that_a_schema_names_are_looked_up_through_all_levels() -> None:
    def schema(number: int, *names: int) -> RegisteredSchema:
        references = tuple(SchemaImport(name=f"n{n}", subject="s", version=1, schema_id=n) for n in names)
        return RegisteredSchema(schema_id=number, schema_type="AVRO", schema=f"t{number}", references=references)

    known = {1: schema(1), 2: schema(2, 1), 3: schema(3, 2, 1)}
    assert {"n2": "t2", "n1": "t1"} == with_imports(known[3], known.__getitem__).imports


def test_a_level_is_set_and_taken_back() -> None:
    stream = Stream[compatibility.Compatibility](aggregate_id("compatibility", "s"), 0, None)
    stream = stream.after(
        stream.record(compatibility.CompatibilityLevelSet, name="s", level="FULL"), compatibility.fold
    )
    assert compatibility.Compatibility(name="s", level=CompatibilityLevel.FULL) == stream.state
    stream = stream.after(stream.record(compatibility.CompatibilityLevelReset, name="s"), compatibility.fold)
    assert stream.state is None
    with pytest.raises(FoldError):
        stream.after(stream.record(compatibility.CompatibilityLevelReset, name="s"), compatibility.fold)
