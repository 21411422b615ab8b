"""Load for one HTTP endpoint: some connections that each send the same requests again and again, and how that went.

A process of its own, so that what it costs is not the server's: python load.py HOST PORT FILE CONNECTIONS SECONDS
[awake]. With `awake` it never sleeps: a server on the other core would pay for waking it with every answer (some 20 µs
on a virtual machine), a slow one more often than a quick one. Not for a server that needs both cores itself.
FILE holds requests as they go over the wire, separated by a line of dashes; each connection walks through them.
Measured is from the moment when every connection has had an answer: a busy event loop accepts one at a time.
Prints JSON: requests, seconds, and the sorted latencies' quantiles in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

SEPARATOR = b"\n-----\n"


class Connection(asyncio.Protocol):
    """Sends the next request when the last answer is complete."""

    def __init__(self, requests: list[bytes], start: int, latencies: list[float], failures: list[bytes]) -> None:
        self._requests = cycle(requests[start:] + requests[:start])
        self._latencies = latencies
        self._failures = failures
        self._buffer = b""
        self.has_answer = False
        self.is_stopping = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 200"):
            self._failures.append(self._buffer[:500])
        self._buffer = b""
        self.has_answer = True
        if self.is_stopping:
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


def stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Keep *loop* from ever waiting for something to do."""
    loop.call_soon(stay_awake, loop)


async def run(
    host: str, port: int, requests: list[bytes], connections: int, seconds: float, *, stays_awake: bool
) -> dict[str, Any]:
    """Send for *seconds* and return what was measured."""
    loop = asyncio.get_running_loop()
    if stays_awake:
        stay_awake(loop)
    latencies: list[float] = []
    failures: list[bytes] = []
    opened = []
    for number in range(connections):
        start = number * len(requests) // connections
        _, protocol = await loop.create_connection(
            lambda start=start: Connection(requests, start, latencies, failures), host, port
        )
        opened.append(protocol)
    while not all(protocol.has_answer for protocol in opened):
        await asyncio.sleep(0.001)
    latencies.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    while not latencies:  # One slow answer is a rate too; the caller bounds the time.
        await asyncio.sleep(0.01)
    took, done = time.perf_counter() - began, len(latencies)
    for protocol in opened:
        protocol.is_stopping = True
    ordered = sorted(latencies)
    quantile = {f"p{percent}": ordered[int(len(ordered) * percent / 100)] * 1000 for percent in (50, 99)}
    return {"requests": done, "seconds": took, "failures": len(failures), "first": str(failures[:1]), **quantile}


def main() -> None:
    """Read the arguments, send, print."""
    host, port, file, connections, seconds, *options = sys.argv[1:]
    requests = Path(file).read_bytes().split(SEPARATOR)
    stays_awake = "awake" in options
    result = uvloop.run(run(host, int(port), requests, int(connections), float(seconds), stays_awake=stays_awake))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
