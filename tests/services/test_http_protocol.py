from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from uvicorn import Config, Server

from core.errors import NotFoundError
from projections.registry import RegistryView
from services.fast_path import BEGUN, Begun, FastAnswer, FastPath
from services.http_protocol import MAX_HELD_BYTES, HttpProtocol
from services.security import ApiKeys
from tests.running import until

KEY = "secret"


class Echo:
    """Answers with what was sent; leaves to the application what says so."""

    path = re.compile(rb"/fast/([a-z]+)")

    def __init__(self) -> None:
        self.begun: list[asyncio.Future[bytes]] = []

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> FastAnswer | Begun | None:
        match names[0]:
            case "later":
                self.begun.append(asyncio.get_running_loop().create_future())
                return Begun(self.begun[-1], lambda what: FastAnswer(b"x-by: fast\r\n", what + body) if what else None)
            case "missing":
                raise NotFoundError("no such thing")
            case "broken":
                raise ZeroDivisionError
            case "unsure":
                return None
        return FastAnswer(b"x-by: fast\r\n", names[0].encode() + b":" + body)


class Application:
    """Answers with what was sent, as an ASGI application."""

    def __init__(self) -> None:
        def no_registry() -> RegistryView:
            raise NotFoundError("no registry")

        self.echo = Echo()
        ways = {(b"GET", b"fast"): self.echo, (b"POST", b"fast"): self.echo}
        self.fast_path = FastPath(ApiKeys(KEY, no_registry), ways, b"", 0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            more = message["more_body"]
        whole = scope["path"].encode() + b":" + body
        if BEGUN in scope:
            whole += b" " + repr(scope[BEGUN]).encode()
        headers = [(b"x-by", b"application"), (b"content-length", b"%d" % len(whole))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": whole})


class Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")

    def send(self, *requests: bytes) -> None:
        self._socket.sendall(b"".join(requests))

    def answer(self) -> tuple[str, bytes]:
        """Return who has answered, and the body."""
        status = self._file.readline()
        while status.startswith(b"HTTP/1.1 100"):
            self._file.readline()
            status = self._file.readline()
        assert status.startswith(b"HTTP/1.1 200"), status
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        assert b"date" in headers
        return headers[b"x-by"].decode(), self._file.read(int(headers[b"content-length"]))

    def is_ended(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def request(method: str, path: str, body: bytes | None = None, *more: str, key: str = KEY) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"X-API-Key: {key}", *more]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + (body or b"")


class Served:
    """An application behind the protocol."""

    def __init__(self, port: int, application: Application, server: Server) -> None:
        self.application = application
        self.server = server
        self._port = port
        self._opened: list[Connection] = []

    def end(self, number: int, result: bytes | Exception) -> None:
        """End what was begun for a request."""
        until(lambda: len(self.application.echo.begun) > number)
        future = self.application.echo.begun[number]
        end = future.set_exception if isinstance(result, Exception) else future.set_result
        future.get_loop().call_soon_threadsafe(end, result)

    def connect(self) -> Connection:
        self._opened.append(Connection(self._port))
        return self._opened[-1]

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@contextmanager
def _serving() -> Iterator[Served]:
    application = Application()
    config = Config(application, port=0, http=HttpProtocol, lifespan="off", log_config=None, timeout_keep_alive=300)
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        served = Served(port, application, server)
        yield served
        served.close()
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.fixture
def served() -> Iterator[Served]:
    with _serving() as served:
        yield served


def test_a_request_of_a_way_is_answered_before_the_application(served: Served) -> None:
    connection = served.connect()
    for _ in range(3):
        connection.send(request("GET", "/fast/a"))
        assert ("fast", b"a:") == connection.answer()
        connection.send(request("POST", "/fast/b", b"body"))
        assert ("fast", b"b:body") == connection.answer()
        connection.send(request("POST", "/fast/c", b""))
        assert ("fast", b"c:") == connection.answer()


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "/fast/unsure"),
        request("GET", "/fast/missing"),
        request("GET", "/fast/broken"),
        request("GET", "/fast/a", key="wrong"),
        request("GET", "/fast/a?b=c"),
        request("GET", "/fast/%61"),
        request("GET", "/fast/a", None, "Accept: text/html", "Accept: text/plain"),
        request("GET", "/fast/a", None, "Origin: http://elsewhere"),
        request("GET", "/fast/a", None, "Quick-At-Least: x"),
        request("PUT", "/fast/a", b""),
        request("POST", "/fast/unsure", b"body"),
        request("POST", "/fast/missing", b"body"),
        request("POST", "/fast/a", b"body", "Expect: 100-continue"),
        request("POST", "/fast/a", b"body", "Content-Encoding: gzip"),
        request("POST", "/fast/a", None, "Transfer-Encoding: chunked") + b"4\r\nbody\r\n0\r\n\r\n",
    ],
    ids=lambda sent: sent.split(b"\r\n\r\n")[0].decode().replace("\r\n", " | "),
)
def test_whatever_else_comes_is_the_applications(served: Served, sent: bytes) -> None:
    connection = served.connect()
    connection.send(sent)
    by, body = connection.answer()
    assert "application" == by
    assert body.endswith(b":body") == (b"body" in sent)
    connection.send(request("GET", "/fast/a"))
    assert ("fast", b"a:") == connection.answer()


def test_requests_that_come_together_are_answered_in_their_order(served: Served) -> None:
    connection = served.connect()
    connection.send(
        request("GET", "/fast/a"),
        request("POST", "/slow", b"1"),
        request("POST", "/fast/b", b"2"),
        request("GET", "/fast/unsure"),
        request("GET", "/fast/c"),
    )
    answers = [connection.answer()[1] for _ in range(5)]
    assert [b"a:", b"/slow:1"] == answers[:2]
    assert all(answer.endswith(end) for answer, end in zip(answers[2:], (b"b:2", b"unsure:", b"c:"), strict=True))


def test_a_body_that_comes_in_pieces_is_whole(served: Served) -> None:
    connection = served.connect()
    whole = request("POST", "/fast/a", b"0123456789")
    for start in range(0, len(whole), 7):
        connection.send(whole[start : start + 7])
    assert ("fast", b"a:0123456789") == connection.answer()


def test_a_long_body_is_the_applications_from_its_first_byte(served: Served) -> None:
    connection, body = served.connect(), bytes(range(256)) * (MAX_HELD_BYTES // 256 + 1)
    connection.send(request("POST", "/fast/a", body))
    assert ("application", b"/fast/a:" + body) == connection.answer()


def test_whoever_wants_to_end_the_connection_is_let_go(served: Served) -> None:
    connection = served.connect()
    connection.send(request("GET", "/fast/a", None, "Connection: close"))
    assert ("application", b"/fast/a:") == connection.answer()
    assert connection.is_ended()


def test_a_client_that_goes_away_in_its_body_does_no_harm(served: Served) -> None:
    connection = served.connect()
    connection.send(request("POST", "/fast/a", b"0123456789")[:-3])
    connection.close()
    other = served.connect()
    other.send(request("GET", "/fast/b"))
    assert ("fast", b"b:") == other.answer()


def test_a_server_that_ends_answers_a_request_whose_body_is_on_its_way(served: Served) -> None:
    idle, connection = served.connect(), served.connect()
    idle.send(request("GET", "/fast/a"))
    assert ("fast", b"a:") == idle.answer()
    whole = request("POST", "/fast/a", b"0123456789")
    connection.send(whole[:-3])
    until(lambda: any(protocol._held for protocol in served.server.server_state.connections))
    served.server.should_exit = True
    assert idle.is_ended()
    connection.send(whole[-3:])
    assert ("application", b"/fast/a:0123456789") == connection.answer()
    assert connection.is_ended()


def test_what_was_begun_is_answered_when_it_has_ended(served: Served) -> None:
    connections = [served.connect() for _ in range(3)]
    for number, connection in enumerate(connections):
        connection.send(request("POST", "/fast/later", b"%d" % number))
        until(lambda number=number: len(served.application.echo.begun) == number + 1)  # type: ignore[misc]
    for number in (2, 0, 1):
        served.end(number, b"done ")
        assert ("fast", b"done %d" % number) == connections[number].answer()
        connections[number].send(request("GET", "/fast/a"))
        assert ("fast", b"a:") == connections[number].answer()


def test_requests_behind_one_that_was_begun_wait_for_it(served: Served) -> None:
    connection = served.connect()
    connection.send(
        request("POST", "/fast/later", b"1"), request("GET", "/fast/a"), request("POST", "/fast/later", b"2")
    )
    served.end(0, b"done ")
    assert ("fast", b"done 1") == connection.answer()
    assert ("application", b"/fast/a:") == connection.answer()
    assert ("application", b"/fast/later:2") == connection.answer()


@pytest.mark.parametrize("result", [b"", NotFoundError("gone")])
def test_what_does_not_end_as_it_should_is_told_by_the_application(served: Served, result: bytes | Exception) -> None:
    connection = served.connect()
    connection.send(request("POST", "/fast/later", b"body"))
    served.end(0, result)
    by, answer = connection.answer()
    assert "application" == by
    assert answer.startswith(b"/fast/later:body <Future finished")


def test_what_was_begun_outlives_its_client(served: Served) -> None:
    connection = served.connect()
    connection.send(request("POST", "/fast/later", b"body"))
    until(lambda: len(served.application.echo.begun) == 1)
    connection.close()
    until(lambda: not served.server.server_state.connections)
    served.end(0, b"done ")
    other = served.connect()
    other.send(request("GET", "/fast/b"))
    assert ("fast", b"b:") == other.answer()


def test_a_server_that_ends_answers_what_was_begun(served: Served) -> None:
    idle, connection = served.connect(), served.connect()
    idle.send(request("GET", "/fast/a"))
    assert ("fast", b"a:") == idle.answer()
    connection.send(request("POST", "/fast/later", b"body"))
    until(lambda: len(served.application.echo.begun) == 1)
    served.server.should_exit = True
    assert idle.is_ended()
    served.end(0, b"done ")
    assert ("fast", b"done body") == connection.answer()
    assert connection.is_ended()
