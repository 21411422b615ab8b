from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidValueError
from k8s.quantities import is_same_quantity, parse_quantity

SUFFIXES = {
    "n": Fraction("1e-9"),
    "u": Fraction("1e-6"),
    "m": Fraction("1e-3"),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.1, "100m"),
        ("0.1", "100m"),
        (1, "1"),
        ("1", "1000m"),
        ("1024Mi", "1Gi"),
        ("1G", "1000M"),
        ("1e3", "1k"),
        ("1E3", "1k"),
        ("+1", "1"),
        (".5", "500m"),
        ("5.", "5"),
        ("0.1n", "1n"),
        ("0", "0Gi"),
    ],
)
def test_an_amount_written_in_two_ways_is_the_same(one: object, other: object) -> None:
    assert is_same_quantity(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("1G", "1Gi"), ("1m", "1M"), ("1", "1E"), ("1", "x"), ("x", "x"), (True, 1), (None, None)]
)
def test_what_is_not_the_same_amount_is_told_apart(one: object, other: object) -> None:
    assert not is_same_quantity(one, other)


@settings(deadline=None)
@given(number=st.integers(-(10**9), 10**9), suffix=st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    assert number * SUFFIXES[suffix] == parse_quantity(f"{number}{suffix}")


@pytest.mark.parametrize(
    "value", ["", " 1", "1 ", "1KiB", "1e", "--1", "1,5", "\u0661", "NaN", "1" * 40, [], {}, False, None]
)
def test_what_is_no_quantity_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="no quantity of Kubernetes"):
        parse_quantity(value)
