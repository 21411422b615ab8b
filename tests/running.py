"""A running `quick up` on the tests' broker, with a log, a data folder and a CLI configuration of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

API_KEY = "e2e-key"

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: each would read all certificate authorities otherwise, which takes it 20 ms of CPU."""

QUICK = Path(sys.executable).with_name("quick")


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for *condition*, with a deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


@dataclass
class Running:
    """One `quick up` and its clients."""

    kafka: str
    folder: Path
    port: int
    log_topic: str = field(default_factory=lambda: f"log-{uuid.uuid4().hex}")
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    """Environment variables beside those that every instance has."""
    program: tuple[str | Path, ...] = (QUICK,)
    """What is started with `up` and its options."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bin(self) -> Path:
        """Return the folder of the installed programs."""
        return QUICK.parent

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "QUICK_CONFIG": str(self.folder / "quick.conf"),
            "QUICK_LOG_TOPIC": self.log_topic,
            "QUICK_STATUS_TOPIC": f"{self.log_topic}-status",
            "QUICK_LOG_LEVEL": "INFO",
            **self.settings,
        }

    def start(self) -> None:
        command = [*self.program, "up", "--kafka", self.kafka, "--port", str(self.port), "--workers", "2"]
        command += ["--data-dir", str(self.data_dir), "--api-key", API_KEY]
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        self.await_health()
        until((self.folder / "quick.conf").exists)  # The context is kept a moment later.

    def await_health(self) -> None:
        def is_up() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "up.log").read_text()
            try:
                return httpx.get(f"{self.url}/health", verify=PLAIN).status_code == 200
            except httpx.TransportError:
                return False

        until(is_up, 90)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            parts = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None
            # Of one that was killed they end a moment later, and could answer for the next one until then.
            assert [] == psutil.wait_procs(parts, 30)[1]

    def quick(self, *arguments: str, code: int = 0, stdin: str | None = None) -> str:
        """Run the CLI and return stdout and stderr together, as scripts compare them."""
        done = subprocess.run(
            [QUICK, *arguments],
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        assert code == done.returncode, done.stdout
        return done.stdout

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-API-Key": API_KEY}, timeout=30, verify=PLAIN)

    def ask(self, gateway: str, query: str, **variables: object) -> dict[str, object]:
        with self.http() as http:
            answer = http.post(f"/gateway/{gateway}/graphql", json={"query": query, "variables": variables})
        body: dict[str, object] = answer.json()
        return body

    def data(self, gateway: str, query: str, **variables: object) -> object:
        """Return the data of an answer without errors."""
        body = self.ask(gateway, query, **variables)
        assert "errors" not in body, body
        return body["data"]

    def ingest(self, topic: str, body: object) -> str:
        """Write and return the position, which `include` waits for."""
        with self.http() as http:
            answer = http.post(f"/ingest/{topic}", json=body)
        assert 200 == answer.status_code, answer.text
        position: str = answer.json()["position"]
        return position

    def include(self, topic: str, position: str) -> None:
        """Wait until the mirror includes a write."""

        def ask(path: str, headers: Mapping[str, str]) -> httpx.Response:
            with self.http() as http:
                return http.get(path, headers=headers)

        until_included(ask, topic, position, 90)


def until_included(
    ask: Callable[[str, Mapping[str, str]], httpx.Response], topic: str, position: str, timeout_s: float
) -> None:
    """Wait until a mirror includes a write; who is told that it takes longer asks again."""

    def is_included() -> bool:
        answer = ask(f"/mirror/{topic}/mirror/keys?ids=0", {"Quick-At-Least": position})
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    until(is_included, timeout_s)


def web_workers(running: Running) -> list[psutil.Process]:
    """Return the worker processes of the HTTP services, which their master starts again when they end."""
    assert running.process is not None
    web = []
    for process in psutil.Process(running.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # It has just ended.
            if any("services.app" in argument for argument in process.cmdline()):
                web.append(process)
    pids = {process.pid for process in web}
    workers = []
    for process in web:
        with contextlib.suppress(psutil.Error):
            if process.ppid() in pids:
                workers.append(process)
    return workers
