"""Sums that costs are made of: a constant, and multiples of terms that are known with the request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ENDLESS: Final = 10**15
"""Where counting ends: it is more than any limit, and its digits can be printed."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A constant and multiples of terms, each named by its place in the program."""

    constant: int
    terms: tuple[tuple[int, int], ...] = ()
    """Pairs of place and factor."""

    def of(self, known: list[int]) -> int:
        """Return the sum where the terms have these values, by their places."""
        return self.constant + sum(known[place] * factor for place, factor in self.terms)


def added(sums: Iterable[Sum]) -> Sum:
    """Return the sum of all."""
    constant = 0
    factors: dict[int, int] = {}
    for sum_ in sums:
        constant += sum_.constant
        for place, factor in sum_.terms:
            factors[place] = bounded(factors.get(place, 0) + factor)
    return Sum(bounded(constant), tuple(sorted(factors.items())))


def multiplied(sum_: Sum, times: int) -> Sum:
    """Return the sum so many times."""
    terms = tuple((place, bounded(factor * times)) for place, factor in sum_.terms)
    return Sum(bounded(sum_.constant * times), terms)


def one_more(sum_: Sum) -> Sum:
    """Return the sum and one."""
    return Sum(bounded(1 + sum_.constant), sum_.terms)


def bounded(number: int) -> int:
    """Return the number, or where counting ends."""
    return min(number, ENDLESS)
