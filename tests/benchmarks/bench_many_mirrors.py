"""Many mirrors on one machine when nothing happens."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
from bench_up import idle_cost
from serving import client, serving

MIRRORS = 500
ROUNDS = 6
"""How often each mirror is asked: so often that every worker has opened each of them."""


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / f"many-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    topics = [f"{folder.name}-{number}" for number in range(MIRRORS)]
    with serving(bootstrap, folder, workers=2) as (port, up):
        with client(port) as http:
            for topic in topics:
                params = {"keyType": "long", "valueType": "string"}
                http.post(f"/manager/topic/{topic}", params=params, json={}).raise_for_status()
        for _ in range(ROUNDS):
            ask(port, topics)
        _, share = idle_cost(up)
        unmapped = sum(unmapped_mb(process.pid) for process in (up, *up.children(recursive=True)))
    yield f"{MIRRORS} mirrors, idle CPU", f"{share * 100:.1f} % of a core", "", "", "< 3 %"
    yield "  memory", f"{unmapped:.0f} MB (PSS without mapped files)", "", "", "< 600 MB"


def ask(port: int, topics: list[str]) -> None:
    """Ask each mirror for a key that it does not have; by a new connection, so that another worker may take it."""
    with client(port) as http:
        for topic in topics:
            answer = http.get(f"/mirror/{topic}/mirror/1")
            assert answer.status_code == httpx.codes.NOT_FOUND, answer.text


def unmapped_mb(pid: int) -> float:
    """Return the memory of a process that is no mapped file; what it shares is divided among those that share it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kilobytes) for kilobytes in re.findall(r"Pss_(?:Anon|Shmem):\s+(\d+) kB", text)) / 1024
