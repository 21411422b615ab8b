"""A gateway without its HTTP: how long one operation takes in a process, and how long graphql-core takes for it."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path

import msgspec
from bench_gateway import TITLES, prepare
from gateway_data import Topics, workloads
from gateway_executors import Execute, as_a_worker_does, by_graphql_core, open_executor
from processes import in_a_process
from serving import client, serving, settings

ROUNDS = 7
SECONDS = 0.5
"""Of one round."""

WANTED = {"point": "≥ 1.6", "list": "≥ 3.5", "join": "", "all": ""}
"""How many times as quick as graphql-core."""


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / f"inside-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    gateway, topics = "bench", Topics(*(f"{folder.name}-{kind}" for kind in ("products", "orders", "catalogue")))
    with serving(bootstrap, folder, workers=1) as (port, _), client(port) as http:
        prepare(http, gateway, topics)
        found = in_a_process(microseconds, settings(bootstrap, folder), gateway)
    for workload, (ours, generic) in found.items():
        what, beside = f"gateway in process: {TITLES[workload]}", f"graphql-core {generic:,.1f} µs"
        yield what, f"{ours:,.1f} µs", beside, f"{generic / ours:.2f}", WANTED[workload]


def microseconds(environment: Mapping[str, str], gateway: str) -> dict[str, tuple[float, float]]:
    """Return by workload how long an operation takes, from its text to the encoded answer: ours, and graphql-core's."""
    executor = open_executor(environment, gateway)
    ours, generic = as_a_worker_does(executor), by_graphql_core(executor)
    found = {}
    for workload in workloads():
        for variables in workload.variables[:100]:
            expected = {"data": workload.expected(variables)}
            for execute in (ours, generic):
                assert expected == msgspec.json.decode(execute(workload.query, variables)), workload.name
        rounds = [
            (
                _microseconds(ours, workload.query, workload.variables),
                _microseconds(generic, workload.query, workload.variables),
            )
            for _ in range(ROUNDS)
        ]
        found[workload.name] = tuple(statistics.median(column) for column in zip(*rounds, strict=True))
    return found


def _microseconds(execute: Execute, query: str, variables: list[dict[str, object]]) -> float:
    """Return the time of one operation in a round."""
    done, began = 0, time.perf_counter()
    for chosen in cycle(variables):
        execute(query, chosen)
        done += 1
        if (took := time.perf_counter() - began) > SECONDS:
            break
    return took / done * 1e6
