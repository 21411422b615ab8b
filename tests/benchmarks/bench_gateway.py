"""A gateway under HTTP load, beside other GraphQL servers and the bare limit: same records, same requests, same run.

Each is one process behind one port. Whoever answers anything else than what the records say is not measured. That one
cannot be measured stands in the table, with the reason.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import graphql
import httpx
import msgspec
from gateway_contenders import Contender, peers, started
from gateway_data import (
    CATALOGUE,
    LISTED,
    Topics,
    Workload,
    declare,
    distinct_documents,
    many_types,
    plain_sdl,
    records,
    workloads,
)
from gateway_peers.setup_file import VARIABLE, Mirror, Setup
from processes import anonymous_mb
from serving import client, load, post, serving, settings, worker_of, write

from core.errors import LocalRuntimeError
from core.kafka_admin import KafkaAdmin
from projections.places import current

ROUNDS = 3
SECONDS = 3.0
"""Of one load. A first round of them does not count: Node compiles meanwhile, and files are read from the disk."""
CHECKED = 5
"""Requests of each kind whose answers are compared with the records before anything is measured."""

DOCUMENTS = 1_000
TYPES = 500

OURS = "quick"
Row = tuple[str, str, str, str, str]

WANTED = (
    ("point", OURS, {"graphql-core": "≥ 1.6", "Ariadne": "≥ 1.8", "Strawberry": "≥ 3", "bare": "≥ 0.75", "yoga": ""}),
    ("list", "row cache off", {"graphql-core": "≥ 3.5", "Ariadne": "≥ 3.5", "Strawberry": "≥ 3.5", "bare": "≥ 0.80"}),
    ("list", OURS, {"bare": "> 1", "yoga": "> 1", "row cache off": ""}),
    ("join", OURS, {"graphql-core": "", "Ariadne": "", "Strawberry": "", "bare": "", "yoga": ""}),
    ("all", OURS, {"bare": "≥ 0.25"}),
)
"""For each workload which of ours is measured beside whom, and the ratio that is wanted."""

TITLES = {
    "point": "point query",
    "list": f"list of {LISTED} objects",
    "join": f"join, {LISTED} to {LISTED}",
    "all": f"list of {CATALOGUE:,} objects",
}


class Measured(NamedTuple):
    """One server under one workload: the medians of the rounds."""

    rate: float
    p99: float


Figures = Mapping[tuple[str, str], Measured]
"""By the names of contender and workload."""


def measure(bootstrap: str, folder: Path) -> Iterator[Row]:
    """Yield rows of the table."""
    folder = folder / f"gateway-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    gateway, topics = "bench", Topics(*(f"{folder.name}-{kind}" for kind in ("products", "orders", "catalogue")))
    with serving(bootstrap, folder, workers=1) as (port, up), client(port) as http:
        prepare(http, gateway, topics)
        environment = settings(bootstrap, folder) | {VARIABLE: str(folder / "setup.json")}
        Path(environment[VARIABLE]).write_bytes(msgspec.json.encode(setup(bootstrap, folder, http, gateway, topics)))
        with ExitStack() as stack:
            contenders, missing = [Contender(OURS, port, f"/gateway/{gateway}/graphql")], []
            for peer in peers(gateway):
                try:
                    contender = stack.enter_context(started(peer, environment, folder))
                    check(contender)
                except LocalRuntimeError as error:
                    print(f"{peer.name} is not measured: {error}")  # noqa: T201 - for who runs the benchmarks
                    missing.append((f"{peer.name} is not measured", str(error), "", "", ""))
                else:
                    contenders.append(contender)
            check(contenders[0])
            figures = measured(folder, contenders)
        yield from missing
        yield from compared(figures)
        yield from documents(http, gateway, worker_of(up).pid)
        yield many_types_applied(http, topics)


def prepare(http: httpx.Client, gateway: str, topics: Topics) -> None:
    """Declare topics and gateway, and write all records."""
    declare(http, gateway, topics)
    for kind, topic in topics.named().items():
        write(http, topic, records(kind))


def setup(bootstrap: str, folder: Path, http: httpx.Client, gateway: str, topics: Topics) -> Setup:
    """Return what the peers are told, and write the records for those that read no mirrors."""
    views = current(folder / "data")
    assert views is not None, "the projector runs"
    mirrors, files = {}, {}
    for kind, topic in topics.named().items():
        facts = KafkaAdmin(bootstrap).describe(topic)
        assert facts is not None, "the topic was created"
        avro = http.get(f"/schema-registry/subjects/{topic}-value/versions/latest").raise_for_status().json()["schema"]
        mirrors[kind] = Mirror(str(views.mirror(facts.topic_id).resolve(strict=True)), avro)
        files[kind] = str(folder / f"{kind}.ndjson")
        Path(files[kind]).write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records(kind)))
    return Setup(plain_sdl(), gateway, mirrors, files)


def check(contender: Contender) -> None:
    """Compare a contender's answers with the records.

    Raises:
        LocalRuntimeError: One differs.
    """
    asked = [workload for workload in workloads() if serves(contender, workload)]
    with client(contender.port) as http:
        for workload in asked:
            for variables in workload.variables[:CHECKED]:
                body = {"query": workload.query, "variables": variables}
                answer = http.post(contender.path.format(workload=workload.name), json=body)
                if not answer.is_success or answer.json() != {"data": workload.expected(variables)}:
                    raise LocalRuntimeError(f"{contender.name} answers {workload.name} with {answer.text:.300}")


def serves(contender: Contender, workload: Workload) -> bool:
    """Return whether a contender is measured with a workload."""
    return workload.is_served_by_all or contender.name in {OURS, "bare"}


def measured(folder: Path, contenders: list[Contender]) -> Figures:
    """Load the contenders, with each workload one right after the other, so that all have the same weather."""
    runs: dict[tuple[str, str], list[Measured]] = {}
    for number in range(ROUNDS + 1):
        for workload in workloads():
            for contender in contenders:
                if serves(contender, workload):
                    found = loaded(folder, contender, workload)
                    if number > 0:
                        runs.setdefault((contender.name, workload.name), []).append(found)
    return {
        what: Measured(*(statistics.median(column) for column in zip(*each, strict=True)))
        for what, each in runs.items()
    }


def loaded(folder: Path, contender: Contender, workload: Workload) -> Measured:
    """Load a contender once."""
    path = contender.path.format(workload=workload.name)
    requests = [post(path, body) for body in workload.bodies()]
    # The generator would be woken by nearly every answer of a slow server, and the server pays for waking it.
    found = load(folder, contender.port, requests, connections=workload.connections, seconds=SECONDS, stays_awake=True)
    return Measured(found["rate"], found["p99"])


def compared(figures: Figures) -> Iterator[Row]:
    """Yield the ratios of rates."""
    for workload, ours, others in WANTED:
        if (ours, workload) not in figures:
            continue
        mine = figures[ours, workload]
        what = TITLES[workload] if ours == OURS else f"{TITLES[workload]}, {ours}"
        for other, wanted in others.items():
            if (other, workload) not in figures:
                continue
            beside = figures[other, workload]
            yield (
                f"gateway: {what}",
                _shown(mine),
                f"{other} {_shown(beside)}",
                f"{mine.rate / beside.rate:.2f}",
                wanted,
            )
    alone, joined = figures[OURS, "list"].rate, figures[OURS, "join"].rate
    yield (
        "gateway: time of a join",
        f"{1000 / joined:.2f} ms",
        f"list {1000 / alone:.2f} ms",
        f"{alone / joined:.2f}",
        "≤ 2.2",
    )


def documents(http: httpx.Client, gateway: str, worker: int) -> Iterator[Row]:
    """Send many distinct documents, and others after them; yield what memory the worker had then."""
    path, held = f"/gateway/{gateway}/graphql", []
    for round_number in (0, 0, 0, 0, 1, 2):
        for body in distinct_documents(round_number, DOCUMENTS):
            answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert "errors" not in answer.raise_for_status().json(), answer.text
        held.append(anonymous_mb(worker))
    warm, again, others = held[1], held[3], held[5]
    what, figure = f"gateway: {DOCUMENTS:,} distinct documents, twice again", f"{again:.1f} MB (RssAnon)"
    yield what, figure, f"warm {warm:.1f} MB", f"{again - warm:+.1f} MB", "flat"
    figure = f"{others:.1f} MB (RssAnon)"
    yield "  and twice as many others", figure, f"warm {warm:.1f} MB", f"{others - warm:+.1f} MB", "flat"


def many_types_applied(http: httpx.Client, topics: Topics) -> Row:
    """Apply a schema with many types; wait for the first answer by it."""
    sdl, gateway = many_types(topics, TYPES), "bench-many"
    http.post("/manager/gateway", json={"name": gateway}).raise_for_status()
    began = time.perf_counter()
    http.post(f"/manager/gateway/{gateway}/schema", json={"schema": sdl}).raise_for_status()
    applied = time.perf_counter() - began
    query = {"query": f"{{ t0(id: 1) {{ id next {{ name }} }} t{TYPES - 1}(id: 2) {{ id }} }}"}
    answer = http.post(f"/gateway/{gateway}/graphql", json=query).raise_for_status()
    answered = time.perf_counter() - began
    assert "errors" not in answer.json(), answer.text
    alone = seconds_of_graphql_core(sdl)
    what = f"gateway: schema of {TYPES} types"
    figure = f"applied {applied:.2f} s, first answer {answered:.2f} s"
    return what, figure, f"build_schema() {alone:.2f} s", f"{answered / alone:.1f}", ""


def seconds_of_graphql_core(sdl: str) -> float:
    """Return how long graphql-core alone takes to build the types."""
    began = time.perf_counter()
    graphql.build_schema(sdl, assume_valid_sdl=True)
    return time.perf_counter() - began


def _shown(found: Measured) -> str:
    return f"{found.rate:,.0f}/s, p99 {found.p99:.1f} ms"
