"""A whole `quick up`: how soon it is ready, how soon a record is visible, what it costs when nothing happens."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from cli.ports import free_port

RECORDS = 500
IDLE_S = 10.0
READY_TIMEOUT_S = 60.0
API_KEY = "bench-key"
SDL = 'type Query { find(id: Long): String @topic(name: "bench", keyArgument: "id") }'


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    began = time.perf_counter()
    with running(bootstrap, folder) as (up, http):
        yield "quick up, without its broker", f"ready in {time.perf_counter() - began:.1f} s", "", "", "< 15 s with it"
        declare(http)
        delays = sorted(delay_ms(http, key) for key in range(RECORDS))
        median, p99 = statistics.median(delays), delays[int(len(delays) * 0.99)]
        yield "ingest ack → visible in GraphQL", f"p99 {p99:.1f} ms", f"median {median:.1f} ms", "", "p99 < 50 ms"
        memory, share = idle_cost(up)
        yield "idle, all processes but the broker", f"{memory / 2**20:.0f} MB (PSS)", "", "", "< 350 MB"
        yield "idle CPU", f"{share * 100:.1f} % of a core", "", "", "< 3 %"


@contextmanager
def running(bootstrap: str, folder: Path) -> Iterator[tuple[psutil.Process, httpx.Client]]:
    """Start `quick up` on an existing broker, and stop it."""
    port = free_port()
    command = [Path(sys.executable).with_name("quick"), "up", "--kafka", bootstrap, "--port", str(port)]
    command += ["--data-dir", str(folder / "up"), "--api-key", API_KEY]
    environment = {**os.environ, "QUICK_CONFIG": str(folder / "quick.conf")}
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": API_KEY}, timeout=30) as http:
            await_health(process, http, folder / "up.log")
            yield psutil.Process(process.pid), http
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def await_health(process: subprocess.Popen[bytes], http: httpx.Client, log: Path) -> None:
    """Wait until the server is healthy."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if http.get("/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    sys.exit(f"quick up did not become ready:\n{log.read_text()}")


def declare(http: httpx.Client) -> None:
    """Create the topic and the gateway that are measured."""
    http.post("/manager/gateway", json={"name": "bench", "schema": SDL}).raise_for_status()
    created = http.post("/manager/topic/bench", params={"keyType": "long", "valueType": "string"}, json={})
    created.raise_for_status()


def delay_ms(http: httpx.Client, key: int) -> float:
    """Return the milliseconds from the acknowledgement of a record to the answer that shows it."""
    query = {"query": f"{{ find(id: {key}) }}"}
    http.post("/ingest/bench", json={"key": key, "value": "here"}).raise_for_status()
    began = time.perf_counter()
    while http.post("/gateway/bench/graphql", json=query).json()["data"]["find"] is None:
        continue
    return (time.perf_counter() - began) * 1000


def idle_cost(up: psutil.Process) -> tuple[int, float]:
    """Return the memory (bytes, PSS) and the share of a core of *up* and its descendants when nothing happens."""
    processes = [up, *up.children(recursive=True)]
    before = sum(_cpu_s(process) for process in processes)
    time.sleep(IDLE_S)
    spent = sum(_cpu_s(process) for process in processes) - before
    return sum(process.memory_full_info().pss for process in processes), spent / IDLE_S


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
