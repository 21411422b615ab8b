"""Bytes that sort as their values do."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ordered_bytes import (
    Bounds,
    of_boolean,
    of_date,
    of_decimal,
    of_float,
    of_integer,
    of_text,
    of_time,
    of_timestamp,
)

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**12), 10**12), st.integers(-15, 15)
)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))


def sign(one: Any, other: Any) -> int:
    return (one > other) - (one < other)


@pytest.mark.parametrize(
    ("of", "values"),
    [
        (of_integer, INTEGERS),
        (of_float, FLOATS),
        (of_decimal, DECIMALS),
        (of_text, st.text()),
        (of_boolean, st.booleans()),
        (of_date, st.dates()),
        (of_timestamp, MOMENTS),
        (of_timestamp, st.datetimes()),
        (of_time, st.times()),
    ],
)
def test_the_order_of_the_bytes_is_that_of_the_values(
    of: Callable[[Any], bytes], values: st.SearchStrategy[Any]
) -> None:
    @given(st.tuples(values, values))
    def compare(pair: tuple[Any, Any]) -> None:
        one, other = pair
        assert sign(one, other) == sign(of(one), of(other))
        assert 0 < len(of(one)) or one == ""

    compare()


@given(DECIMALS, st.integers(0, 30))
def test_equal_decimals_have_equal_bytes(number: Decimal, zeros: int) -> None:
    sign_, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign_, (*digits, *[0] * zeros), exponent - zeros))
    assert of_decimal(number) == of_decimal(longer)


def test_decimals_of_any_length_keep_their_order() -> None:
    tiny, huge = Decimal((0, (1,), -10_000)), Decimal("1" + "9" * 3000)
    less_huge = Decimal("1" + "9" * 2999 + "8")
    numbers = [
        huge.copy_negate(),
        less_huge.copy_negate(),
        Decimal(-1000),
        Decimal("-1.0000000000000000000000000001"),
        Decimal(-1),
        -tiny,
        Decimal(0),
        tiny,
        Decimal("0.1"),
        Decimal("0.10000000000000000000000000000000000001"),
        Decimal(1),
        Decimal("1.01"),
        Decimal("1.1"),
        Decimal(10),
        less_huge,
        huge,
    ]
    assert [of_decimal(number) for number in numbers] == sorted({of_decimal(number) for number in numbers})


def test_one_zero_and_one_nan() -> None:
    other_nan = struct.unpack(">d", b"\xff\xf8\x00\x00\x00\x00\x00\x01")[0]
    assert math.isnan(other_nan)
    assert of_float(0.0) == of_float(-0.0)
    assert of_float(math.nan) == of_float(other_nan)
    assert of_float(math.inf) < of_float(math.nan)
    assert of_decimal(Decimal("-0.00")) == of_decimal(Decimal(0))


def test_floats_beside_zero_and_at_the_ends_keep_their_order() -> None:
    numbers = [-math.inf, -1.7e308, -1.0, -5e-324, 0.0, 5e-324, 1.0, math.nextafter(1.0, 2.0), 1.7e308, math.inf]
    assert [of_float(number) for number in numbers] == sorted({of_float(number) for number in numbers})


@pytest.mark.parametrize(
    ("of", "value"),
    [
        (of_integer, 2**63),
        (of_integer, -(2**63) - 1),
        (of_decimal, Decimal("NaN")),
        (of_decimal, Decimal("-Infinity")),
        (of_text, "\ud800"),
    ],
)
def test_what_has_no_place_is_refused(of: Callable[[Any], bytes], value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each function says it in its own words
        of(value)


BYTES = st.sampled_from([b"", b"\x00", b"a", b"ab", b"b", b"\xff"])


@given(
    bounds=st.builds(Bounds, st.none() | BYTES, st.none() | BYTES, st.booleans(), st.booleans()),
    end=BYTES,
    value=BYTES,
    is_included=st.booleans(),
)
def test_bounds_are_narrowed_and_never_widened(bounds: Bounds, end: bytes, value: bytes, *, is_included: bool) -> None:
    is_at_end = is_included and value == end
    is_above, is_below = value > end or is_at_end, value < end or is_at_end
    assert (bounds.holds(value) and is_above) == bounds.from_(end, is_included=is_included).holds(value)
    assert (bounds.holds(value) and is_below) == bounds.to(end, is_included=is_included).holds(value)
