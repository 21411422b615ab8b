"""A small manager that answers as a test says, and the CLI pointed at it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Manager:
    """What the manager was asked, and what it answers next."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    status: int = 200
    answer: bytes = b""

    def answers(self, content: object, status: int = 200) -> None:
        self.status, self.answer = status, json.dumps(content).encode()

    def refuses(self, status: int, title: str, detail: str) -> None:
        body = {"type": "errors/clientError", "title": title, "code": status, "detail": detail, "uriPath": "/"}
        self.answers(body, status)


@pytest.fixture
def manager() -> Iterator[Manager]:
    state = Manager()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else None
            state.requests.append(Request(self.command, self.path, dict(self.headers), body))
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

        do_GET = do_POST = do_DELETE = respond  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


class Done(NamedTuple):
    code: int
    out: str
    err: str


Quick = Callable[..., Done]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the place of the CLI's configuration, which does not exist."""
    return tmp_path / "config" / "quick.conf"


@pytest.fixture
def bare_quick(config: Path) -> Quick:
    """Return the CLI without a configuration."""

    def run(*arguments: str, stdin: str = "") -> Done:
        done = subprocess.run(
            [Path(sys.executable).with_name("quick"), *arguments],
            env={"QUICK_CONFIG": str(config), "PATH": "", "HOME": str(config.parent), "PYTHONWARNINGS": "error"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def quick(bare_quick: Quick, manager: Manager) -> Quick:
    """Return the CLI with the small manager as its current context."""
    created = bare_quick("context", "create", "--host", manager.url, "--key", "secret-key", "--context", "test")
    assert Done(0, "", "") == created
    return bare_quick
