"""The management port: whether this Quick has started, is ready and is alive, and its figures.

It answers from what the processes have told of themselves last, in a thread of the supervisor: also while they are
busy, and when they do not answer any more. Nothing on it needs a key, and nothing on it tells data.

    /health/started      it has what it needs to begin with: the command log was folded once
    /health/readiness    it can serve what it is there for
    /health/liveness     its processes get on, whether Kafka answers or not
    /health              all of it in one: UP, DEGRADED or DOWN, and why
    /metrics             figures in Prometheus' text format
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, Self

from cli.listener import url_of
from core.figures import CONTENT_TYPE, Gauge, text_of
from core.signs_of_life import PROJECTOR, WEB, Sign, SignReceiver

FRESH_S: Final = 10.0
"""How old the sign of a process may be that is taken to be ready."""

SILENT_S: Final = 60.0
"""After how long without a sign processes are taken not to get on. Each that is started again gives signs at once."""

REQUEST_TIMEOUT_S: Final = 5.0
"""How long a connection may keep a thread waiting."""


class Answer(NamedTuple):
    """What a request is answered with."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Vitality:
    """What the signs of all processes say together.

    Args:
        signs: Receives them.
    """

    def __init__(self, signs: SignReceiver) -> None:
        self._signs = signs
        self._has_started = False

    def not_started(self) -> list[str]:
        """Return why it has not started, nothing when it has: that stays so."""
        if not self._has_started:
            told = [*self._fresh(PROJECTOR), *self._fresh(WEB)]
            names = {sign.name for sign in told if sign.has_started}
            self._has_started = WEB in names
            if not self._has_started:
                return [text for sign in told for text in sign.waits_for] or ["Its processes are being started."]
        return []

    def not_ready(self) -> list[str]:
        """Return why it is not ready, nothing when it is."""
        reasons = self.not_started()
        for name in (PROJECTOR, WEB):
            signs = self._fresh(name)
            if not signs:
                reasons.append(f"No {name} process tells how it is.")
            reasons += (text for sign in signs for text in sign.waits_for)
        return list(dict.fromkeys(reasons))

    def not_alive(self) -> list[str]:
        """Return what does not get on, nothing when all does."""
        reasons = []
        for name in (PROJECTOR, WEB):
            if (age_s := self._signs.age_s(name)) > SILENT_S:
                reasons.append(f"No {name} process has given a sign of life for {age_s:.0f} s.")
            reasons += (text for sign in self._fresh(name) for text in sign.stalled)
        return reasons

    def problems(self) -> list[str]:
        """Return what does not work although it is ready."""
        return list(dict.fromkeys(text for sign in self._fresh(WEB) for text in sign.problems))

    def metrics(self) -> str:
        """Return the figures; each worker tells the same ones."""
        return next((sign.metrics for sign in reversed(self._fresh(WEB)) if sign.metrics), "")

    def _fresh(self, name: str) -> list[Sign]:
        return self._signs.last(name, FRESH_S)


class Management:
    """Serves the management port while it is entered.

    Args:
        listener: The listening socket.
        signs: What processes tell of themselves.
    """

    def __init__(self, listener: socket.socket, signs: SignReceiver) -> None:
        self.url = url_of(listener)
        self._signs = signs
        self._server = _Server(listener, _routes(Vitality(signs)))
        self._threads = [
            threading.Thread(target=signs.serve, name="signs of life", daemon=True),
            threading.Thread(target=self._server.serve_forever, args=(0.1,), name="management", daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._signs.close()
        self._server.server_close()
        for thread in self._threads:
            thread.join()


def answer_of(path: str, vitality: Vitality) -> Answer:
    """Return the answer to a request for *path*."""
    route = _ROUTES.get(path.partition("?")[0].rstrip("/") or "/")
    if route is None:
        found = ", ".join(_ROUTES)
        return _json(HTTPStatus.NOT_FOUND, {"detail": f"There is nothing here. There are: {found}."})
    return route(vitality)


def _routes(vitality: Vitality) -> Callable[[str], Answer]:
    return lambda path: answer_of(path, vitality)


def _probed(reasons: list[str], problems: list[str] | None = None) -> Answer:
    if reasons:
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "DOWN", "reason": "\n".join(reasons)})
    if problems:
        return _json(HTTPStatus.OK, {"status": "DEGRADED", "reason": "\n".join(problems)})
    return _json(HTTPStatus.OK, {"status": "UP"})


def _figures(vitality: Vitality) -> Answer:
    ready = Gauge("quick_ready", "1 while this Quick is ready.", int(not vitality.not_ready()))
    return Answer(HTTPStatus.OK, CONTENT_TYPE, (vitality.metrics() + text_of([ready])).encode())


_ROUTES: Final[dict[str, Callable[[Vitality], Answer]]] = {
    "/health/started": lambda vitality: _probed(vitality.not_started()),
    "/health/readiness": lambda vitality: _probed(vitality.not_ready()),
    "/health/liveness": lambda vitality: _probed(vitality.not_alive()),
    "/health": lambda vitality: _probed([*vitality.not_alive(), *vitality.not_ready()], vitality.problems()),
    "/metrics": _figures,
}


def _json(status: HTTPStatus, body: dict[str, str]) -> Answer:
    return Answer(status, "application/json", json.dumps(body).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, answer: Callable[[str], Answer]) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.answer = answer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that goes away."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S
    server: _Server
    server_version, sys_version = "quick", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
        """Keep no access log."""

    def _answer(self, *, with_body: bool) -> None:
        answer = self.server.answer(self.path)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
