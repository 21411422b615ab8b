"""Point reads of a mirror over HTTP, beside an endpoint that does nothing, and beside a projector at full rate."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from mirror_topic import fill
from serving import RECORD, client, declare, get, limits, load, rate, serving, write

KEYS = 20_000
BACKLOG = 4_000_000
"""Records that the projector folds meanwhile: more than it can in the time of the load."""


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / f"reads-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    topic, busy = f"bench-reads-{uuid.uuid4().hex[:8]}", f"bench-busy-{uuid.uuid4().hex[:8]}"
    with limits(folder) as port:
        empty = load(folder, port, [get("/empty")], stays_awake=True)
    with serving(bootstrap, folder, workers=1) as (port, up):
        declare(port, topic, busy)
        with client(port) as http:
            write(http, topic, (RECORD | {"id": key} for key in range(KEYS)))
        requests = [get(f"/mirror/{topic}/mirror/{key * 7919 % KEYS}") for key in range(KEYS)]
        load(folder, port, requests)  # What is read first comes from the disk.
        alone = load(folder, port, requests, stays_awake=True)
        with standing_still(projector_of(up)):
            fill(bootstrap, BACKLOG, BACKLOG // 5, busy)
        beside = load(folder, port, requests)
    ratio = alone["rate"] / empty["rate"]
    yield "GET of a key, 1 worker", rate(alone), f"empty endpoint {rate(empty)}", f"{ratio:.2f}", "≥ 0.60"
    yield "  latency", f"p99 {alone['p99']:.1f} ms", f"median {alone['p50']:.1f} ms", "", ""
    ratio = beside["rate"] / alone["rate"]
    yield "  while the projector folds", rate(beside), f"alone {rate(alone)}", f"{ratio:.2f}", "no failure"
    yield "  latency then", f"p99 {beside['p99']:.1f} ms", f"median {beside['p50']:.1f} ms", "", "p99 < 30 ms"


def projector_of(up: psutil.Process) -> int:
    """Return the process ID of the projector."""
    [found] = [child.pid for child in up.children() if "projections.projector" in child.cmdline()]
    return found


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Let a process wait; afterwards it has much to do."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
