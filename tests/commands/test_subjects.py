"""Registrations on a real log: one ID for one text, whoever registers it, and refusals that name the place."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from commands import subjects
from commands.decisions import Caller, Commands, Consulted
from commands.subjects import NewSchema
from core.aggregates import LogEvent
from core.compatibility import GLOBAL
from core.errors import IncompatibleSchemaError, RegistryRefusalError
from core.registered_schema import SchemaImport
from core.settings import Settings

NewCaller = Callable[..., Caller]


def schema(number: int) -> NewSchema:
    fields = [{"name": "a", "type": "int"}]
    return NewSchema("AVRO", json.dumps({"type": "record", "name": f"R{number}", "fields": fields}))


def test_two_managers_give_one_text_one_id(settings: Settings, tmp_path: Path, caller: NewCaller) -> None:
    def register(commands: Commands, number: int) -> int:
        """Register without taking turns, as two processes do."""
        found: list[int] = []

        def decide(consulted: Consulted) -> list[LogEvent]:
            registration = subjects.register(consulted, f"s-{uuid.uuid4().hex}", schema(number))
            found[:] = [registration.schema_id]
            return registration.events

        commands.carry_out(caller(), "register_schema", "subject/s", decide)
        return found[0]

    elsewhere = replace(settings, data_dir=tmp_path / "other")
    with Commands(settings) as one, Commands(elsewhere) as two, ThreadPoolExecutor(2) as pool:
        ids = [list(pool.map(lambda to, n=number: register(to, n), (one, two))) for number in range(12)]
    assert [[number, number] for number in range(1, 13)] == ids


def test_a_repeated_registration_answers_as_the_first_one(commands: Commands, caller: NewCaller) -> None:
    first, second = (subjects.register_schema(commands, caller("c"), "s", schema(1)) for _ in range(2))
    assert first == second
    assert (first[0], None) == subjects.register_schema(commands, caller(), "s", schema(1))


def test_a_registration_is_checked_by_the_level_at_its_time(commands: Commands, caller: NewCaller) -> None:
    subjects.register_schema(commands, caller(), "s", schema(1))
    with pytest.raises(IncompatibleSchemaError, match="whose level is BACKWARD"):
        subjects.register_schema(commands, caller(), "s", schema(2))
    assert subjects.set_compatibility(commands, caller(), GLOBAL, "none") is not None
    assert subjects.set_compatibility(commands, caller(), GLOBAL, "NONE") is None
    assert 2 == subjects.register_schema(commands, caller(), "s", schema(2))[0]
    subjects.set_compatibility(commands, caller(), "s", "FULL")
    with pytest.raises(IncompatibleSchemaError, match="whose level is FULL"):
        subjects.register_schema(commands, caller(), "s", schema(3))
    assert "FULL" == subjects.reset_compatibility(commands, caller(), "s")[0]
    assert 3 == subjects.register_schema(commands, caller(), "s", schema(3))[0]


def test_deletions_release_what_a_schema_named(commands: Commands, caller: NewCaller) -> None:
    subjects.register_schema(commands, caller(), "r", schema(1))
    reference = SchemaImport(name="R1", subject="r", version=subjects.LATEST)
    naming = json.dumps({"type": "record", "name": "N", "fields": [{"name": "r", "type": "R1"}]})
    subjects.register_schema(commands, caller(), "n", NewSchema("AVRO", naming, (reference,)))
    with pytest.raises(RegistryRefusalError, match="referencedby") as caught:
        subjects.delete_version(commands, caller(), "r", 1, permanent=False)
    assert subjects.REFERENCE_EXISTS == caught.value.code
    _, position = subjects.delete_version(commands, caller(), "n", 1, permanent=False)
    assert position is not None
    assert ["SchemaVersionSoftDeleted", "SchemaReleased"] == [type(e).__name__ for e in commands.events_at(position)]
    assert 1 == subjects.delete_version(commands, caller(), "r", subjects.LATEST, permanent=False)[0]
    assert 1 == subjects.delete_version(commands, caller(), "r", subjects.LATEST, permanent=True)[0]


def test_a_version_can_name_an_earlier_one_of_its_own_subject(commands: Commands, caller: NewCaller) -> None:
    subjects.set_compatibility(commands, caller(), "s", "NONE")
    subjects.register_schema(commands, caller(), "s", schema(1))
    naming = json.dumps({"type": "record", "name": "N", "fields": [{"name": "r", "type": "R1"}]})
    new = NewSchema("AVRO", naming, (SchemaImport(name="R1", subject="s", version=1),))
    assert 2 == subjects.register_schema(commands, caller(), "s", new)[0]
    assert [1, 2] == subjects.delete_subject(commands, caller(), "s", permanent=False)[0]
    assert [1, 2] == subjects.delete_subject(commands, caller(), "s", permanent=True)[0]
    assert 1 == subjects.register_schema(commands, caller(), "s", schema(1))[0]


def test_a_repeated_deletion_answers_as_the_first_one(commands: Commands, caller: NewCaller) -> None:
    subjects.set_compatibility(commands, caller(), "s", "NONE")
    for number in range(3):
        subjects.register_schema(commands, caller(), "s", schema(number))
    subjects.delete_version(commands, caller(), "s", 1, permanent=False)
    first, second = (subjects.delete_subject(commands, caller("c"), "s", permanent=False) for _ in range(2))
    assert ([2, 3], first) == (first[0], second)
    assert [1, 2, 3] == subjects.delete_subject(commands, caller(), "s", permanent=True)[0]
