"""A gateway without its HTTP: how long one operation takes in a process, beside graphql-core and the bare limit."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
from bench_gateway import TITLES, prepare, setup
from gateway_contenders import ROW_CACHE_OFF
from gateway_data import Topics, Workload, workloads
from gateway_executors import Execute, by, open_executors
from gateway_peers.bare import by_workload
from gateway_peers.setup_file import Setup
from gateway_peers.store import open_stores
from processes import in_a_process
from serving import client, serving, settings

ROUNDS = 7
SECONDS = 0.3
"""Of one round."""

CHECKED = 100

OURS, GENERIC, BARE = "ours", "graphql-core", "bare"
WANTED = {"point": "≥ 1.6", "list": "≥ 3.5", "join": "", "all": ""}
"""How many times as quick as graphql-core."""

Microseconds = dict[str, dict[str, float]]
"""By workload, then by who executes it: from its text to the encoded answer."""


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / f"inside-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    gateway, topics = "bench", Topics(*(f"{folder.name}-{kind}" for kind in ("products", "orders", "catalogue")))
    with serving(bootstrap, folder, workers=1) as (port, _), client(port) as http:
        prepare(http, gateway, topics)
        told, environment = setup(bootstrap, folder, http, gateway, topics), settings(bootstrap, folder)
        bare = in_a_process(of_bare, told)
        for kind, chosen in (("", {}), (", row cache off", ROW_CACHE_OFF)):
            yield from rows(kind, in_a_process(of_executors, environment | chosen, gateway), bare)


def rows(kind: str, found: Microseconds, bare: Microseconds) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    for workload in found:
        times = found[workload] | bare[workload]
        ours, what = times[OURS], f"in process: {TITLES[workload]}{kind}"
        for other, wanted in ((GENERIC, WANTED[workload]), (BARE, "")):
            beside = f"{other} {times[other]:,.1f} µs"
            yield what, f"{ours:,.1f} µs", beside, f"{times[other] / ours:.2f}", wanted


def of_executors(environment: Mapping[str, str], gateway: str) -> Microseconds:
    """Return how long operations of a gateway take in this process."""
    opened = open_executors(environment, gateway)
    executors = {OURS: by(opened.usual), GENERIC: by(opened.generic)}
    return {workload.name: compared(workload, executors) for workload in workloads()}


def of_bare(told: Setup) -> Microseconds:
    """Return how long the same takes without GraphQL; in another process, for none can open a mirror twice."""
    data = by_workload(*open_stores(told))
    return {workload.name: compared(workload, {BARE: encoded(data[workload.name])}) for workload in workloads()}


def encoded(data: Callable[[dict[str, Any]], Any]) -> Execute:
    """Return an executor that looks at no query."""
    return lambda _query, variables: msgspec.json.encode({"data": data(dict(variables))})


def compared(workload: Workload, executors: Mapping[str, Execute]) -> dict[str, float]:
    """Return the time of an operation by each of *executors*, after they have shown that they answer alike."""
    for variables in workload.variables[:CHECKED]:
        expected = {"data": workload.expected(variables)}
        for name, execute in executors.items():
            assert expected == msgspec.json.decode(execute(workload.query, variables)), (name, workload.name)
    best = dict.fromkeys(executors, math.inf)
    for _ in range(ROUNDS):
        for name, execute in executors.items():
            best[name] = min(best[name], one_round(execute, workload))
    return best


def one_round(execute: Execute, workload: Workload) -> float:
    """Return the microseconds of one operation in a round: CPU time, since others share the machine."""
    done, began, ends = 0, time.thread_time(), time.perf_counter() + SECONDS
    for variables in cycle(workload.variables):
        execute(workload.query, variables)
        done += 1
        if time.perf_counter() > ends:
            break
    return (time.thread_time() - began) / done * 1e6
