"""In which order the tests run, and which of them in one process.

Those of `k8s` and `e2e` wait for processes that they start, the others keep a processor busy: side by side they take
the least time. None that takes minutes may come last, where it would run alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

CLUSTER: Final = "tests/k8s/"
"""Tests that share a control plane: each process that runs one of them would start one of its own."""

WHOLE: Final = "tests/e2e/"
"""Tests of whole instances."""

SPREAD: Final = 2 / 3
"""The part of all files over which those of whole instances are spread."""


class Scheduling(LoadFileScheduling):
    """Hands out the tests of a file together, and those of the cluster."""

    def _split_scope(self, nodeid: str) -> str:
        return CLUSTER if nodeid.startswith(CLUSTER) else str(super()._split_scope(nodeid))


def ordered(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return *items* in the order in which their files are to begin."""
    files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
    clusters = [tests for tests in files if tests[0].nodeid.startswith(CLUSTER)]
    wholes = [tests for tests in files if tests[0].nodeid.startswith(WHOLE)]
    others = [tests for tests in files if not tests[0].nodeid.startswith((CLUSTER, WHOLE))]
    return [item for tests in (*clusters, *_mixed(wholes, others)) for item in tests]


def _mixed(few: list[list[pytest.Item]], many: list[list[pytest.Item]]) -> Iterator[list[pytest.Item]]:
    between = int(SPREAD * len(many) / max(1, len(few)))
    rest = iter(many)
    for tests in few:
        yield tests
        yield from islice(rest, between)
    yield from rest
