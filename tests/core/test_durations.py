"""Durations in ISO 8601: what is taken, how it is shown, and what is refused with an example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import MAX_MS, duration_ms, duration_text
from core.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "milliseconds", "shown"),
    [
        ("P1D", 86_400_000, "P1D"),
        ("PT10M", 600_000, "PT10M"),
        ("P2W", 14 * 86_400_000, "P14D"),
        ("P1W1DT1H1M1.5S", 694_861_500, "P8DT1H1M1.5S"),
        ("PT0.001S", 1, "PT0.001S"),
        ("PT0,25S", 250, "PT0.25S"),
        ("pt90m", 5_400_000, "PT1H30M"),
        ("PT100S", 100_000, "PT1M40S"),
        ("P36500D", MAX_MS, "P36500D"),
    ],
)
def test_a_duration_of_fixed_length_is_so_many_milliseconds(text: str, milliseconds: int, shown: str) -> None:
    assert milliseconds == duration_ms(text)
    assert shown == duration_text(milliseconds)


@given(st.integers(1, MAX_MS))
def test_what_is_shown_is_taken_again(milliseconds: int) -> None:
    assert milliseconds == duration_ms(duration_text(milliseconds))


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "1d", "P1", "PT1", "P1.5D", "PT1M1H", "-P1D", "P-1D", "P1D\n", " P1D", "PT٣S", "P1D" * 30],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is no duration\..*: P1D for a day, or PT10M"):
        duration_ms(text)


@pytest.mark.parametrize("text", ["P1M", "P1Y", "P1Y2DT3H", "p2m1d"])
def test_years_and_months_have_no_fixed_length(text: str) -> None:
    with pytest.raises(InvalidInputError, match="has no fixed length: years and months differ"):
        duration_ms(text)


@pytest.mark.parametrize("text", ["PT0S", "P0D", "P36500DT0.001S", "P99999999999999999999D"])
def test_a_duration_is_positive_and_not_absurd(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is not from PT0\.001S to P36500D"):
        duration_ms(text)


def test_nothing_has_a_text_too() -> None:
    assert "PT0S" == duration_text(0)
