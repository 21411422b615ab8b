"""A small manager: a real HTTP server that answers as a test says, in order, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

DEADLINE_S = 60.0


def until(condition: Callable[[], object]) -> None:
    """Wait for *condition*, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class Request(NamedTuple):
    """What the manager was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    """Decoded where it is JSON."""


@dataclass(frozen=True)
class Reply:
    """One answer, sent piece by piece."""

    pieces: tuple[bytes, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False
    """Break the connection before the end of the answer."""


DROPPED = Reply(status=0)
"""The connection is broken without an answer."""

HELD = Reply(status=1)
"""No answer comes while the test lasts."""


def answer(content: object, status: int = 200, **headers: str) -> Reply:
    """Return an answer with JSON."""
    return Reply((json.dumps(content).encode(),), status, {name.replace("_", "-"): headers[name] for name in headers})


def refusal(status: int, title: str, detail: str, **headers: str) -> Reply:
    """Return an error as Quick's services answer it."""
    body = {"type": "errors/clientError", "title": title, "code": status, "detail": detail, "uriPath": "/"}
    return answer(body, status, **headers)


def lines(*contents: object, is_cut: bool = False) -> Reply:
    """Return an answer of JSON lines; texts are sent as they are."""
    texts = (content if isinstance(content, str) else json.dumps(content) for content in contents)
    return Reply(tuple(f"{text}\n".encode() for text in texts), is_cut=is_cut)


@dataclass
class Manager:
    """What the manager was asked, and what it answers next: each of `replies` once, then `reply`."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    reply: Reply = field(default_factory=Reply)
    echoes: bool = False
    """Answer what was sent."""
    decide: Callable[[Request], Reply | None] = lambda _: None
    """Returns an answer that goes before all others."""
    keeps_alive: bool = False
    connections: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def answers(self, content: object, status: int = 200) -> None:
        self.reply = answer(content, status)

    def refuses(self, status: int, title: str, detail: str) -> None:
        self.reply = refusal(status, title, detail)

    def answers_in_turn(self, *replies: Reply) -> None:
        self.replies += replies

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    @property
    def command_ids(self) -> list[str]:
        return [request.headers["Quick-Command-Id"] for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Manager

    def setup(self) -> None:
        super().setup()
        self.state.connections += 1

    def respond(self) -> None:
        raw = b"".join(self._body())
        body = json.loads(raw) if raw and self.headers.get("Content-Type") == "application/json" else raw or None
        self.close_connection = not self.state.keeps_alive
        request = Request(self.command, self.path, dict(self.headers), body)
        self.state.requests.append(request)
        reply = self.state.decide(request)
        if reply is None:
            reply = self.state.replies.pop(0) if self.state.replies else self.state.reply
        if self.state.echoes:
            reply = answer(body)
        if reply is HELD:
            self.state.is_over.wait(DEADLINE_S)
        if reply is HELD or reply is DROPPED:
            self._break_off()
        else:
            self._send(reply)

    do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - the names that http.server looks for

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in filter(None, reply.pieces):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if reply.is_cut:
            self._break_off()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def small_manager() -> Iterator[Manager]:
    """Run a small manager on a port of its own."""
    state = Manager()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = False  # So that closing the server waits for them.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        state.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
