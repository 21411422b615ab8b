"""One role of Quick as a pod runs it: `quick serve --role …` with a management port, over the tests' broker."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.running import API_KEY, PLAIN, QUICK, until, until_included

LEASE_S = 8
"""For how long a mirror is believed that says nothing more: no stall of the machine is to look like its end."""


@dataclass
class Pod:
    """One process of a role, with its children."""

    kafka: str
    log_topic: str
    folder: Path
    role: str
    port: int
    management_port: int
    thing: str | None = None
    """The topic or gateway that it serves."""
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def arguments(self) -> list[str]:
        option = {"mirror": "topic", "gateway": "gateway"}.get(self.role)
        named = [] if option is None else [f"--{option}={self.thing}"]
        listening = ["--host=127.0.0.1", f"--port={self.port}", f"--management-port={self.management_port}"]
        return ["serve", f"--role={self.role}", *named, *listening, "--workers=1"]

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUICK_")}
        return {
            **inherited,
            "QUICK_KAFKA_BOOTSTRAP_SERVER": self.kafka,
            "QUICK_DATA_DIR": str(self.folder / "data"),
            "QUICK_APIKEY": API_KEY,
            "QUICK_LOG_TOPIC": self.log_topic,
            "QUICK_STATUS_TOPIC": f"{self.log_topic}-status",
            "QUICK_LOG_LEVEL": "INFO",
            "QUICK_MIRROR_LEASE_S": f"{LEASE_S}",
            **self.settings,
        }

    def start(self) -> Pod:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [QUICK, *self.arguments], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        return code

    def tell_to_end(self) -> None:
        """Let it begin to end; `close` waits for that."""
        if self.process is not None:
            self.process.terminate()

    def close(self) -> None:
        if self.process is not None:
            self.process.wait(60)
            self.process = None

    def health(self, what: str) -> int:
        """Return the status that the management port answers, 0 when it does not."""
        try:
            return self.managed(what).status_code
        except httpx.TransportError:
            return 0

    def managed(self, what: str) -> httpx.Response:
        """Return what the management port answers."""
        return httpx.get(f"http://127.0.0.1:{self.management_port}/{what}", timeout=30, verify=PLAIN)

    def reason(self) -> str:
        return str(self.managed("health/readiness").json().get("reason", ""))

    def await_ready(self) -> Pod:
        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.said()
            return self.health("health/readiness") == 200

        try:
            until(is_ready, 120)
        except AssertionError as error:
            raise AssertionError(f"{self.role} is not ready: {self.said()}") from error
        return self

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        more.setdefault("headers", {})
        more["headers"] = {"X-API-Key": API_KEY, **more["headers"]}
        return httpx.request(method, f"{self.url}{path}", timeout=60, **more)

    def post(self, path: str, body: object) -> httpx.Response:
        """Post *body*, which is to be taken."""
        answer = self.ask("POST", path, json=body)
        assert 200 == answer.status_code, answer.text
        return answer

    def include(self, topic: str, position: str) -> None:
        """Wait until what this mirror holds of *topic* includes a write."""
        until_included(lambda path, headers: self.ask("GET", path, headers=headers), topic, position, 120)

    def clean_up(self) -> subprocess.CompletedProcess[str]:
        """Run the clean-up as its Job does: the arguments of the pod, and one more."""
        return subprocess.run(
            [QUICK, *self.arguments, "--clean-up"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
