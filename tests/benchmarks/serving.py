"""A `quick up`, or a server of raw limits, under HTTP load from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
from bench_up import API_KEY, await_health
from load import SEPARATOR

from cli.ports import free_port

HERE = Path(__file__).resolve().parent
SECONDS = 6.0
CONNECTIONS = 32
BATCH = 1_000
SDL = "type Query { a: Int } type Item { id: Int!  name: String!  price: Float!  at: Long!  note: String }"
RECORD = {"id": 12345, "name": "a product name", "price": 14.99, "at": 1700000000000, "note": None}


@contextmanager
def serving(
    bootstrap: str, folder: Path, workers: int, environment: Mapping[str, str] = {}
) -> Iterator[tuple[int, psutil.Process]]:
    """Start `quick up` on an existing broker, with *environment* beside its settings, and stop it."""
    port = free_port()
    command = [Path(sys.executable).with_name("quick"), "up", "--kafka", bootstrap, "--port", str(port)]
    command += ["--workers", str(workers)]
    own = {**settings(bootstrap, folder), "QUICK_CONFIG": str(folder / "quick.conf")}
    with (folder / "up.log").open("a") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **own, **environment}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            await_health(process, http, folder / "up.log")
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def settings(bootstrap: str, folder: Path) -> dict[str, str]:
    """Return the environment of the processes that `serving` starts in *folder*, for one more beside them."""
    return {
        "QUICK_KAFKA_BOOTSTRAP_SERVER": bootstrap,
        "QUICK_DATA_DIR": str(folder / "data"),
        "QUICK_APIKEY": API_KEY,
        "QUICK_LOG_TOPIC": f"__bench-{folder.name}-log",
        "QUICK_STATUS_TOPIC": f"__bench-{folder.name}-status",
    }


def worker_of(up: psutil.Process) -> psutil.Process:
    """Return the process of the latest worker."""
    return max(up.children(recursive=True), key=lambda child: child.create_time() if _is_worker(child) else 0)


def _is_worker(process: psutil.Process) -> bool:
    return "gunicorn" in " ".join(process.cmdline()) and not any(
        "gunicorn" in " ".join(child.cmdline()) for child in process.children()
    )


@contextmanager
def limits(folder: Path) -> Iterator[int]:
    """Start the endpoints that do next to nothing, in the same server with one worker."""
    port = free_port()
    gunicorn = Path(sys.executable).with_name("gunicorn")
    command = [gunicorn, "-k", "services.uvicorn_worker.UvicornWorker", "-w", "1", "-b", f"127.0.0.1:{port}"]
    command += ["--no-control-socket", "--chdir", str(HERE), "limits:app()"]
    with (folder / "limits.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/empty")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def client(port: int) -> httpx.Client:
    """Return a client of an instance."""
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": API_KEY}, timeout=60)


def declare(port: int, *topics: str) -> None:
    """Create topics of items with keys that are numbers."""
    with client(port) as http:
        http.post("/manager/gateway", json={"name": "bench", "schema": SDL}).raise_for_status()
        body = {"valueSchema": {"gateway": "bench", "type": "Item"}}
        for topic in topics:
            params = {"keyType": "int", "valueType": "schema"}
            http.post(f"/manager/topic/{topic}", params=params, json=body).raise_for_status()


def write(http: httpx.Client, topic: str, values: Iterable[dict[str, Any]]) -> None:
    """Write records under their ids, and wait until they can be read."""
    remaining = iter(values)
    while batch := list(islice(remaining, BATCH)):
        pairs = [{"key": value["id"], "value": value} for value in batch]
        answer = http.post(f"/ingest/{topic}", content=json.dumps(pairs))
        answer.raise_for_status()
        at_least = {"Quick-At-Least": answer.json()["position"]}
        http.get(f"/mirror/{topic}/mirror/{pairs[0]['key']}", headers=at_least).raise_for_status()


def post(path: str, body: bytes) -> bytes:
    """Return a request with a JSON body as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    """Return a request without a body as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n\r\n".encode()


def load(
    folder: Path,
    port: int,
    requests: list[bytes],
    *,
    connections: int = CONNECTIONS,
    seconds: float = SECONDS,
    stays_awake: bool = False,
) -> dict[str, Any]:
    """Send *requests* again and again for a while; return rate and latencies."""
    file = folder / "requests"
    file.write_bytes(SEPARATOR.join(requests))
    command = [sys.executable, str(HERE / "load.py"), "127.0.0.1", str(port), str(file), str(connections), str(seconds)]
    command += ["awake"] if stays_awake else []
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    result: dict[str, Any] = json.loads(done.stdout)
    if result["failures"]:
        sys.exit(f"{result['failures']} requests to port {port} failed, the first with {result['first']}")
    return result | {"rate": result["requests"] / result["seconds"]}


def rate(result: dict[str, Any]) -> str:
    """Return a rate as the table shows it."""
    return f"{result['rate']:,.0f} requests/s"
