from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s.quantities import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", "0.1"),
        ("100m", "0.1"),
        ("1", "1"),
        (".5", "0.5"),
        ("2.", "2"),
        ("1k", "1000"),
        ("1G", "1000000000"),
        ("256Mi", "268435456"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("1E", "1000000000000000000"),
        ("5n", "0.000000005"),
        ("7u", "0.000007"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_is_a_number(text: str, expected: str) -> None:
    assert Decimal(expected) == quantity(text)


@pytest.mark.parametrize(
    "text", ["", "1 G", "G", "1GB", "1K", "0x10", "1_000", "NaN", "inf", "1e", "1e999", "\u0661", "1\n", "."]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it takes a quantity of Kubernetes"):
        quantity(text)


@given(st.text(alphabet="0123456789.eEkKMGTPinum+- ", max_size=12))
def test_every_text_is_a_number_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert quantity(text).is_finite()
