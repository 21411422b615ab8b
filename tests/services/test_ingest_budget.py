from __future__ import annotations

import pytest

from core.errors import BusyError
from services.ingest.budget import SMALLEST_CHARGE_BYTES, Budget


def test_what_is_taken_is_given_back() -> None:
    budget = Budget(100_000)
    with budget.take(50_000), budget.take(10_000):
        assert 60_000 == budget.used_bytes
    assert 0 == budget.used_bytes


def test_what_comes_beyond_is_refused_and_takes_nothing() -> None:
    budget = Budget(100_000)
    with budget.take(50_000):
        with pytest.raises(BusyError, match="Nothing was written"):
            budget.take(50_001)
        assert 50_000 == budget.used_bytes
        with budget.take(50_000):
            assert 100_000 == budget.used_bytes


def test_one_alone_is_let_in_whatever_its_size() -> None:
    budget = Budget(100_000)
    with budget.take(1_000_000), pytest.raises(BusyError):
        budget.take(1)
    assert 0 == budget.used_bytes


def test_the_smallest_request_costs_something() -> None:
    budget = Budget(100_000)
    with budget.take(0):
        assert SMALLEST_CHARGE_BYTES == budget.used_bytes


def test_what_has_grown_is_given_back_also_after_an_error() -> None:
    budget = Budget(100_000)
    with budget.take(0) as share:
        share.grow(90_000)
        with pytest.raises(BusyError):
            share.grow(10_000)
        assert 90_000 + SMALLEST_CHARGE_BYTES == budget.used_bytes
    assert 0 == budget.used_bytes


def test_leaving_twice_gives_back_once() -> None:
    budget = Budget(100_000)
    share = budget.take(10_000)
    share.__exit__()
    share.__exit__()
    assert 0 == budget.used_bytes
