import base64
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given, settings
from hypothesis import strategies as st

from core.avro_logical import to_text
from core.built_in_scalars import BUILT_IN_SCALARS, MAX_DIGITS, MAX_JSON_DEPTH
from core.scalar_values import scalar_values

EXAMPLE = UUID("123e4567-e89b-12d3-a456-426614174000")
IN_PARIS = timezone(timedelta(hours=2))

SERVED = [
    ("Long", 5, 5),
    ("Long", "-9223372036854775808", -(2**63)),
    ("Long", 5.0, 5),
    ("BigInt", 5, "5"),
    ("BigInt", 2**70, str(2**70)),
    ("BigInt", "-12", "-12"),
    ("BigInt", Decimal(10**30), str(10**30)),
    ("Decimal", Decimal("1.10"), "1.10"),
    ("Decimal", "1.10", "1.10"),
    ("Decimal", "1e3", "1000"),
    ("Decimal", Decimal("-0.000"), "-0.000"),
    ("Decimal", 5, "5"),
    ("Decimal", 0.1, "0.1"),
    ("Decimal", 0.1 + 0.2, "0.30000000000000004"),
    ("DateTime", datetime(2026, 11, 24, 12, 34, 56, 789000, UTC), "2026-11-24T12:34:56.789Z"),
    ("DateTime", datetime(2026, 11, 24, 12, 34, 56, tzinfo=IN_PARIS), "2026-11-24T10:34:56Z"),
    ("DateTime", "2026-11-24t12:34:56.123456789+02:00", "2026-11-24T12:34:56.123456789+02:00"),
    ("Date", date(2026, 11, 24), "2026-11-24"),
    ("Date", "2024-02-29", "2024-02-29"),
    ("Time", time(12, 34, 56, 789000), "12:34:56.789"),
    ("Time", "12:34", "12:34"),
    ("UUID", EXAMPLE, str(EXAMPLE)),
    ("UUID", str(EXAMPLE).upper(), str(EXAMPLE)),
    ("Bytes", b"hi", "aGk="),
    ("Bytes", "aGk=", "aGk="),
    ("Bytes", b"", ""),
    ("JSON", {"a": [1, None, "x", 1.5, True]}, {"a": [1, None, "x", 1.5, True]}),
    (
        "JSON",
        {"at": date(2026, 1, 2), "raw": b"hi", "sum": Decimal("1.10")},
        {"at": "2026-01-02", "raw": "aGk=", "sum": "1.10"},
    ),
    ("JSON", ("shop.Price", {"total": 5}), {"total": 5}),
    ("JSON", math.nan, "NaN"),
    ("Sku", ["any", {"thing": 1}], ["any", {"thing": 1}]),
]

REFUSED = [
    ("Long", 2**63),
    ("Long", -(2**63) - 1),
    ("Long", 1.5),
    ("Long", True),
    ("Long", "1.0"),
    ("Long", ""),
    ("Long", "\u0661"),
    ("Long", "9" * 5000),
    ("Long", 10**5000),
    ("Long", Decimal("1E+999999999")),
    ("BigInt", 1.5),
    ("BigInt", True),
    ("BigInt", math.inf),
    ("BigInt", "1.0"),
    ("BigInt", 10**MAX_DIGITS),
    ("BigInt", "1" * (MAX_DIGITS + 1)),
    ("BigInt", 10**5000),
    ("BigInt", Decimal("1E+999999999")),
    ("BigInt", Decimal("NaN")),
    ("Decimal", "1,5"),
    ("Decimal", "NaN"),
    ("Decimal", math.inf),
    ("Decimal", "1e9999"),
    ("Decimal", "1e-9999"),
    ("Decimal", "1e99999"),
    ("Decimal", "\u0661"),
    ("Decimal", Decimal("1E+999999999")),
    ("Decimal", 10**5000),
    ("Decimal", True),
    ("DateTime", "2026-11-24"),
    ("DateTime", "2026-11-24T12:34:56"),
    ("DateTime", datetime(2026, 11, 24)),  # noqa: DTZ001  a local timestamp has no zone
    ("DateTime", "2026-11-24T25:00:00Z"),
    ("DateTime", "2026-02-30T12:00:00Z"),
    ("DateTime", "2026-11-24T12:34:56Z\n"),
    ("DateTime", "2026-11-24T12:34Z"),
    ("DateTime", "2026-11-24T12:34:56+25:00"),
    ("DateTime", 1732451696000),
    ("Date", "2026-11-24T00:00:00Z"),
    ("Date", "2025-02-29"),
    ("Date", "20261124"),
    ("Date", 20000),
    ("Date", datetime(2026, 11, 24, tzinfo=UTC)),
    ("Time", "24:00:00"),
    ("Time", "12:34:56Z"),
    ("Time", 5),
    ("UUID", "123e4567e89b12d3a456426614174000"),
    ("UUID", "{123e4567-e89b-12d3-a456-426614174000}"),
    ("UUID", 5),
    ("Bytes", "aGk"),
    ("Bytes", "aGl="),
    ("Bytes", "a Gk="),
    ("Bytes", "\u0661aGk="),
    ("Bytes", [104, 105]),
    ("JSON", 10**5000),
    ("JSON", [10**5000]),
    ("JSON", object()),
]

LITERALS = [
    ("Long", "5", 5),
    ("Long", '"5"', 5),
    ("BigInt", "123456789012345678901", 123456789012345678901),
    ("BigInt", '"-5"', -5),
    ("Decimal", "1.10", "1.10"),
    ("Decimal", "5", "5"),
    ("Decimal", '"0.00000000000000000001"', "0.00000000000000000001"),
    ("DateTime", '"2026-11-24T12:34:56z"', "2026-11-24T12:34:56Z"),
    ("Date", '"2026-11-24"', "2026-11-24"),
    ("Time", '"12:34"', "12:34"),
    ("UUID", f'"{EXAMPLE}"', str(EXAMPLE)),
    ("Bytes", '"aGk="', "aGk="),
    ("JSON", '{a: [1, 1.5, true, null, "x", E]}', {"a": [1, 1.5, True, None, "x", "E"]}),
    ("Sku", "5", 5),
]

REFUSED_LITERALS = [
    ("Long", "5.0"),
    ("Long", "9" * 5000),
    ("BigInt", "5.0"),
    ("BigInt", "9" * 5000),
    ("Decimal", "true"),
    ("Decimal", "1e9999"),
    ("DateTime", "5"),
    ("Date", "{a: 1}"),
    ("Time", "[1]"),
    ("UUID", "A"),
    ("Bytes", "null"),
    ("JSON", "9" * 5000),
    ("JSON", "1e999"),
]


@pytest.mark.parametrize(("scalar", "value", "expected"), SERVED)
def test_decoded_values_and_their_json_are_served_alike(scalar: str, value: Any, expected: Any) -> None:
    served = scalar_values(scalar).serialize(value)

    assert (expected, type(expected)) == (served, type(served))
    assert json.dumps(served, allow_nan=False)


@pytest.mark.parametrize(("scalar", "value"), REFUSED, ids=map(str, range(len(REFUSED))))  # Python shows no huge ids
def test_what_is_no_value_is_refused_in_both_directions(scalar: str, value: Any) -> None:
    for convert in scalar_values(scalar)[:2]:
        with pytest.raises(GraphQLError, match=f"{scalar} cannot represent") as caught:
            convert(value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("scalar", "literal", "expected"), LITERALS)
def test_literals_become_the_json_of_codecs(scalar: str, literal: str, expected: Any) -> None:
    taken = scalar_values(scalar).parse_literal(parse_value(literal))

    assert (expected, type(expected)) == (taken, type(taken))


@pytest.mark.parametrize(("scalar", "literal"), REFUSED_LITERALS)
def test_other_literals_are_refused(scalar: str, literal: str) -> None:
    with pytest.raises(GraphQLError, match=f"{scalar} cannot represent"):
        scalar_values(scalar).parse_literal(parse_value(literal))


@pytest.mark.parametrize(("number", "expected"), [(1.5, "1.5"), (100, "100"), (1e-7, "0.0000001")])
def test_a_decimal_of_few_digits_may_be_a_json_number(number: float, expected: str) -> None:
    assert expected == scalar_values("Decimal").parse_value(number)


def test_a_decimal_that_json_may_have_rounded_is_refused() -> None:
    with pytest.raises(GraphQLError, match="use a string for more than 15 digits"):
        scalar_values("Decimal").parse_value(0.1 + 0.2)


def test_variables_stand_inside_json() -> None:
    literal = parse_value("{a: $a, b: [$missing], c: $missing, d: $none}")

    assert {"a": {"x": 1}, "b": [None], "d": None} == scalar_values("JSON").parse_literal(
        literal, {"a": {"x": 1}, "none": None}
    )


@pytest.mark.parametrize(("opening", "closing", "inner"), [("[", "]", 1), ('{"a":', "}", 1)])
def test_json_has_a_depth(opening: str, closing: str, inner: int) -> None:
    def nested(levels: int) -> Any:
        return json.loads(opening * levels + str(inner) + closing * levels)

    json_scalar = scalar_values("JSON")
    assert nested(MAX_JSON_DEPTH) == json_scalar.parse_value(nested(MAX_JSON_DEPTH))
    for convert in json_scalar[:2]:
        with pytest.raises(GraphQLError, match="more than 64 levels"):
            convert(nested(MAX_JSON_DEPTH + 1))
    with pytest.raises(GraphQLError, match="more than 64 levels"):
        json_scalar.parse_literal(parse_value("[" * 65 + "]" * 65))
    with pytest.raises(GraphQLError, match="more than 64 levels"):
        json_scalar.parse_literal(parse_value("[$deep]"), {"deep": nested(MAX_JSON_DEPTH)})


DECODED = {
    "Long": st.integers(-(2**63), 2**63 - 1),
    "BigInt": st.integers(-(10**40), 10**40),
    "Decimal": st.decimals(allow_nan=False, allow_infinity=False, places=9),
    "DateTime": st.datetimes(timezones=st.just(UTC)),
    "Date": st.dates(),
    "Time": st.times(),
    "UUID": st.uuids(),
    "Bytes": st.binary(max_size=100),
}


@pytest.mark.parametrize("scalar", DECODED)
@given(data=st.data())
def test_what_is_served_can_be_sent_back(scalar: str, data: st.DataObject) -> None:
    values, value = scalar_values(scalar), data.draw(DECODED[scalar])

    served = values.serialize(value)

    assert served == values.serialize(values.parse_value(served))
    literal = parse_value(served if type(served) is int else json.dumps(served)) if scalar != "Long" else None
    assert literal is None or values.parse_value(served) == values.parse_literal(literal)


@given(value=st.one_of(st.datetimes(timezones=st.just(UTC)), st.dates(), st.times(), st.uuids()))
def test_decoded_values_look_like_the_json_of_records(value: Any) -> None:
    scalar = {datetime: "DateTime", date: "Date", time: "Time", UUID: "UUID"}[type(value)]

    assert to_text(value) == scalar_values(scalar).serialize(value) == scalar_values(scalar).serialize(to_text(value))


@given(raw=st.binary(max_size=50))
def test_bytes_survive(raw: bytes) -> None:
    assert raw == base64.b64decode(scalar_values("Bytes").parse_value(scalar_values("Bytes").serialize(raw)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(node=JSON)
def test_json_passes_as_it_is(node: Any) -> None:
    assert node == scalar_values("JSON").serialize(node) == scalar_values("Sku").parse_value(node)


@settings(max_examples=40)
@given(value=st.one_of(JSON, st.binary(), st.decimals(), st.datetimes(), st.complex_numbers(), st.text()))
@pytest.mark.parametrize("scalar", BUILT_IN_SCALARS)
def test_nothing_else_than_graphql_errors_is_raised(scalar: str, value: Any) -> None:
    for convert in scalar_values(scalar)[:2]:
        refusal = _refusal(convert, value)
        assert refusal is None or refusal.startswith(f"{scalar} cannot represent")


def _refusal(convert: Callable[[Any], Any], value: Any) -> str | None:
    try:
        convert(value)
    except GraphQLError as error:
        return str(error)
    return None
