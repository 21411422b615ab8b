"""Which Avro schema reads what another one wrote: Avro's verdict, with reasons that name the place."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from core.avro_compatibility import MAX_REASONS, Side, avro_incompatibilities
from core.errors import InvalidInputError


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    made = [{"name": one[0], "type": one[1], **(one[2] if len(one) > 2 else {})} for one in fields]
    return {"type": "record", "name": name, "fields": made, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def reasons(new: Any, old: Any, *, forward: bool = False) -> list[str]:
    newer, older = Side("new", json.dumps(new)), Side("old", json.dumps(old))
    return avro_incompatibilities(older, newer) if forward else avro_incompatibilities(newer, older)


LINKED = record(("next", ["null", "R"], {"default": None}), ("v", "int"))


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("long", "int"),
        ("double", "float"),
        ("string", "bytes"),
        ("bytes", "string"),
        (["null", "int"], "int"),
        ("int", ["int"]),
        (record(("a", "int"), ("b", "int", {"default": 1})), record(("a", "int"))),
        (record(), record(("a", "int"))),
        (record(("b", "int", {"aliases": ["a"]})), record(("a", "int"))),
        (record(aliases=["S"]), record(name="S")),
        (enum("A", "B"), enum("A")),
        (enum("A", default="A"), enum("A", "B")),
        (LINKED, LINKED),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
        ({"type": "int", "logicalType": "date"}, {"type": "int", "logicalType": "no-such"}),
    ],
)
def test_what_can_be_read_has_no_reasons(new: Any, old: Any) -> None:
    assert [] == reasons(new, old)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ("int", "long", "int: the new schema has int, the old one has long. Keep long"),
        (record(("a", "int")), record(), "R.a: the new schema has this field of type int without a default"),
        (record(("a", "int")), record(("a", "string")), "R.a: the new schema has int, the old one has string."),
        (
            record(("a", {"type": "array", "items": record(("b", "int"), name="S")})),
            record(("a", {"type": "array", "items": record(("b", "boolean"), name="S")})),
            "R.a[].b: the new schema has int, the old one has boolean.",
        ),
        (
            record(("a", {"type": "map", "values": "int"})),
            record(("a", {"type": "map", "values": "long"})),
            "R.a{}: the new schema has int",
        ),
        (record(), record(name="S"), "R: the new schema has the name R, the old one has S. Keep the name, or give"),
        (enum("A"), enum("A", "B", "C"), "has the symbols B, C. Keep them, or give the enum a default."),
        (
            {"type": "fixed", "name": "F", "size": 3},
            {"type": "fixed", "name": "F", "size": 4},
            "has a size of 3, the old one has 4",
        ),
        (
            ["null", "int"],
            ["null", "string"],
            "the union of null, int, the old one has string. Add string to the union.",
        ),
        (["null", record(("a", "int"))], ["null", record(("a", "string"))], ".a: the new schema has int"),
        ("int", ["null", "int"], "int: the new schema has int, the old one has null."),
        (
            record(("next", ["null", "R"], {"default": None}), ("v", "int")),
            record(("next", ["null", "R"], {"default": None}), ("v", "string")),
            "R.v: the new schema has int",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place_and_the_way_out(new: Any, old: Any, expected: str) -> None:
    found = reasons(new, old)
    assert any(expected in reason for reason in found), found


def test_forward_the_reasons_speak_of_the_new_schema_as_what_writes() -> None:
    [reason] = reasons(record(), record(("a", "int")), forward=True)
    assert reason.startswith(
        "R.a: the old schema has this field of type int without a default, the new one has no such"
    )
    assert reason.endswith("Keep a in the new schema: it may go once the old one has a default.")


def test_each_place_is_told_up_to_what_anybody_reads() -> None:
    assert 2 == len(reasons(record(("a", "int"), ("b", "int")), record()))
    assert MAX_REASONS == len(reasons(record(*((f"f{n}", "int") for n in range(100))), record()))


def test_types_of_other_schemas_are_compared_too() -> None:
    text = json.dumps(record(("m", "Money")))
    money = [{"Money": json.dumps(record(("a", kind), name="Money"))} for kind in ("int", "string")]
    [reason] = avro_incompatibilities(Side("new", text, money[0]), Side("old", text, money[1]))
    assert reason.startswith("R.m.a: the new schema has int")


def many(prefix: str, count: int) -> list[Any]:
    return [record(name=f"{prefix}{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (many("A", 5000), many("B", 5000)),
        (record(*((f"a{n}", "int") for n in range(4000))), record(*((f"b{n}", "int") for n in range(4000)))),
        (
            [record(*((f"a{n}", "int") for n in range(4000)))],
            record(*((f"b{n}", "int") for n in range(4000)), name="S"),
        ),
    ],
    ids=["unions", "fields", "fields in a branch"],
)
def test_large_schemas_are_compared_or_refused_in_a_bounded_time(new: Any, old: Any) -> None:
    begun = time.monotonic()
    with contextlib.suppress(InvalidInputError):
        assert reasons(new, old)
    assert time.monotonic() - begun < 20


def test_deep_schemas_are_refused() -> None:
    deep = '{"type":"array","items":' * 900 + '"int"' + "}" * 900
    with pytest.raises(InvalidInputError, match="nested too deep"):
        avro_incompatibilities(Side("new", deep), Side("old", deep))


def test_random_changes_get_the_verdict_of_avro_s_own_checker() -> None:
    kinds: list[Any] = ["int", "long", "string", ["null", "int"], ["null", "string"], enum("A"), enum("A", "B")]
    kinds += [
        record(("x", "int"), name="S"),
        record(("x", "int"), ("y", "int"), name="S"),
        record(("x", "int"), name="T"),
    ]
    kinds += [{"type": "array", "items": kind} for kind in ("int", "string")]
    for new in kinds:
        for old in kinds:
            verdict = ReaderWriterCompatibilityChecker().get_compatibility(
                parse(json.dumps(new)), parse(json.dumps(old))
            )
            assert (verdict.compatibility is SchemaCompatibilityType.incompatible) == bool(reasons(new, old)), (
                new,
                old,
            )
