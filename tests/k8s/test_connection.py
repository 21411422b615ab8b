from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from core.errors import KubernetesUnavailableError
from k8s.apply import ApiClient
from k8s.connection import Connection
from k8s.credentials import Credentials
from k8s.objects import Kind
from tests.k8s.control_plane import ControlPlane

POD = Kind("v1", "Pod")


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Return a function that starts a server which answers each request with the same bytes, and returns its URL."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, answer: bytes) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with closing(connection):
                connection.recv(65536)
                connection.sendall(answer)

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=serve, args=(listener, answer)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def credentials(server: str) -> Credentials:
    return Credentials(server=server, namespace="n", tls=ssl.create_default_context())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "does not speak its language"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "does not speak its language"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "does not speak"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "cannot tell what v1 is now"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nlater", "later"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot tell what v1 is now"),
        (b"", "cannot tell what v1 is now"),
    ],
)
def test_an_answer_that_cannot_be_used_is_unavailable(
    answering: Callable[[bytes], str], answer: bytes, message: str
) -> None:
    with (
        ApiClient(credentials(answering(answer)), timeout_s=60) as client,
        pytest.raises(KubernetesUnavailableError, match=message),
    ):
        client.list(POD)


def test_a_stream_that_is_cut_or_no_json_is_unavailable(answering: Callable[[bytes], str]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = Connection(credentials(answering(head + b"7\r\n{}\n{}\nx\r\n")), timeout_s=60, connections=1)
    seen: list[bytes] = []

    def read() -> None:
        with connection.lines("watch Pod", "/", {}, silence_s=60) as lines:
            for line in lines:
                seen.append(line)  # noqa: PERF402 - what was read before the error counts

    with pytest.raises(KubernetesUnavailableError, match="cannot watch Pod now"):
        read()
    assert [b"{}", b"{}"] == seen
    with pytest.raises(KubernetesUnavailableError, match="does not speak its language"):
        connection.decoded("watch Pod", b"x")
    connection.close()


def test_nobody_listening_is_unavailable_with_the_address(free_port: Callable[[], int]) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    with ApiClient(credentials(server)) as client, pytest.raises(KubernetesUnavailableError, match="refused") as error:
        client.list(POD)
    assert server in str(error.value)


def test_a_server_whose_certificate_is_not_trusted_is_named(control_plane: ControlPlane) -> None:
    with (
        ApiClient(credentials(control_plane.url)) as client,
        pytest.raises(KubernetesUnavailableError, match="certificate verify failed"),
    ):
        client.list(POD)


def test_credentials_do_not_show_what_is_secret() -> None:
    secret = Credentials(
        server="s",
        namespace="n",
        tls=ssl.create_default_context(),
        proxy="http://u:hidden@p",
        authorization=lambda: "x",
    )
    assert "hidden" not in repr(secret)
