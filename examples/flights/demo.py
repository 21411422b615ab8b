"""The main job on real data: declare, ingest, query, audit. Started by `make demo`, leaves nothing behind."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

HERE = Path(__file__).parent
QUICK = Path(sys.executable).with_name("quick")
API_KEY = "demo-key"
BATCH = 500
READY_TIMEOUT_S = 90

AIRPORT = '{ airport(iata: "JFK") { name city state latitude longitude } }'
FLIGHT = "{ flight(id: 2) { date delay distance originAirport { name city } destinationAirport { name city } } }"
FLIGHTS = "{ flights(ids: [1, 1000, 6000]) { date delay origin destination } }"

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demo; return the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quick-demo-") as folder, running_quick(Path(folder)) as url:
        headline("Declare a gateway, its schema and two topics")
        quick("gateway", "create", "flights")
        quick("gateway", "apply", "flights", "-f", str(HERE / "schema.graphql"))
        quick("topic", "create", "airport", "--key-type", "string", "--value-type", "schema", "-s", "flights.Airport")
        quick("topic", "create", "flight", "--key-type", "long", "--value-type", "schema", "-s", "flights.Flight")
        with httpx.Client(base_url=url, headers={"X-API-Key": API_KEY}, timeout=30) as http:
            headline("Ingest real records over REST")
            ingest(http, "airport", airports())
            ingest(http, "flight", flights())
            headline("Ask in GraphQL")
            for query in (AIRPORT, FLIGHT, FLIGHTS):
                ask(http, query)
        headline("Who did what")
        quick("log")
    console.print(f"\nDone in {time.monotonic() - began:.0f} s. Kafka, projector and server are stopped again.")
    console.print("Start your own with: make up")
    return 0


@contextmanager
def running_quick(folder: Path) -> Iterator[str]:
    """Start `quick up` with its data and configuration in *folder*; stop it at the end."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    os.environ["QUICK_CONFIG"] = str(folder / "quick.conf")
    headline("Start a Kafka, a projector and a server")
    command = [str(QUICK), "up", "--port", str(port), "--data-dir", str(folder / "data"), "--api-key", API_KEY]
    console.print(f"$ {shlex.join(['quick', *command[1:]])}")
    began = time.monotonic()
    with (folder / "up.log").open("w+") as log:
        up = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            await_ready(up, url, folder / "up.log")
            console.print(f"Ready after {time.monotonic() - began:.1f} s at {url}")
            yield url
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)


def await_ready(up: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server is healthy; end the demo with what `quick up` said when it cannot start."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and up.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit(f"quick up did not become ready:\n{log.read_text()}")


def quick(*arguments: str) -> None:
    """Run a command of the CLI and show it with what it printed."""
    console.print(f"$ {shlex.join(['quick', *arguments])}", markup=False)
    subprocess.run([str(QUICK), *arguments], check=True)


def ingest(http: httpx.Client, topic: str, pairs: Sequence[dict[str, Any]]) -> None:
    """Write *pairs* in batches, and wait until a query would see the last one."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    position = ""
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(topic, total=len(pairs))
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            answer = http.post(f"/ingest/{topic}", json=batch)
            answer.raise_for_status()
            position = answer.json()["position"]
            progress.advance(task, len(batch))
    seen = http.get(f"/mirror/{topic}/mirror/{pairs[-1]['key']}", headers={"Quick-At-Least": position})
    seen.raise_for_status()


def ask(http: httpx.Client, query: str) -> None:
    """Send a query and show it with its answer and the time it took."""
    http.post("/gateway/flights/graphql", json={"query": "{ __typename }"})  # Opens the connection.
    began = time.perf_counter()
    answer = http.post("/gateway/flights/graphql", json={"query": query})
    took_ms = (time.perf_counter() - began) * 1000
    body = answer.json()
    console.print(f"\n{query}", markup=False)
    console.print_json(json.dumps(body.get("data")))
    console.print(f"{took_ms:.1f} ms")
    if "errors" in body:
        sys.exit(f"The query failed: {body['errors']}")


def airports() -> list[dict[str, Any]]:
    """Return the airports as pairs."""
    with (HERE / "airports.csv").open(newline="", encoding="utf-8") as file:
        return [
            {
                "key": row["iata"],
                "value": {**row, "latitude": float(row["latitude"]), "longitude": float(row["longitude"])},
            }
            for row in csv.DictReader(file)
        ]


def flights() -> list[dict[str, Any]]:
    """Return the flights as pairs, numbered from 1."""
    rows = json.loads((HERE / "flights.json").read_text(encoding="utf-8"))
    return [{"key": number, "value": row} for number, row in enumerate(rows, start=1)]


def headline(text: str) -> None:
    """Show what comes next."""
    console.print(f"\n[bold]{text}[/bold]")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
