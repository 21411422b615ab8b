"""A TCP proxy that lets records land late and loses acknowledgements, and a broker that lives behind it.

It knows three things of Kafka's protocol: requests and answers begin with their length, the number after that tells a
produce request from all others, and an answer begins with the number by which its request is known. So it holds writes
and leaves reads alone, as a network does that is slow in one place only.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cli.local_kafka import LocalKafka
from cli.ports import LOOPBACK
from tests.running import until

_PRODUCE = 0
_LENGTH_BYTES = 4
_CONNECT_TIMEOUT_S = 5


class HeldWrite:
    """A produce request that its client has sent and that the broker has not got yet."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self._answered = threading.Event()

    def release(self) -> None:
        """Let it go on to the broker, whether or not its client still waits."""
        self._released.set()

    def deliver(self) -> None:
        """Let it go on and wait until the broker has answered, to whom it may concern."""
        self.release()
        assert self._answered.wait(60), "the broker did not answer a write that was let go on"

    def wait(self) -> None:
        """Block until it may go on."""
        self._released.wait()

    def answered(self) -> None:
        """Note that the broker has answered it."""
        self._answered.set()


class DelayingProxy:
    """Listens on *port* of the loopback interface and connects each client to the port `upstream`.

    `hold` and `lose` take the next so many produce requests, over whichever connection they come.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.upstream = 0
        self.held: list[HeldWrite] = []
        """What `hold` has caught, in order of arrival."""
        self.lost = 0
        """How many acknowledgements `lose` and `cut_answers` have kept from their clients."""
        self._to_hold = self._to_lose = self._to_cut = 0
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._is_closed = False
        self._listener = socket.create_server((LOOPBACK, port))
        self._thread = threading.Thread(target=self._accept, name=f"proxy {port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self, writes: int) -> None:
        """Hold the next *writes* produce requests until each is released."""
        with self._lock:
            self._to_hold = writes

    def wait_until_held(self, writes: int) -> None:
        """Block until *writes* produce requests are held."""
        until(lambda: len(self.held) >= writes)

    def lose_answers(self, writes: int) -> None:
        """Pass the next *writes* produce requests on, and nothing that the broker says on their connections."""
        with self._lock:
            self._to_lose = writes

    def cut_answers(self, writes: int) -> None:
        """Pass the next *writes* produce requests on, and end the connection when the broker answers."""
        with self._lock:
            self._to_cut = writes

    def cut(self) -> None:
        """End all connections, in both directions."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def calm(self) -> None:
        """Disturb nothing any more, and let go on what is held."""
        with self._lock:
            self._to_hold = self._to_lose = self._to_cut = 0
            held, self.held = self.held, []
        for write in held:
            write.release()
        self.lost = 0

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.calm()
        self.cut()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue  # A client that went away at once; or we are closing.
            threading.Thread(target=self._serve, args=(client,), name="proxied requests", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection((LOOPBACK, self.upstream), timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            client.close()  # The broker is away: the client sees that as it would without us.
            return
        broker.settimeout(None)
        link = _Link(client, broker, self._passing)
        with self._lock:
            self._links.add(link)
        link.run()
        with self._lock:
            self._links.discard(link)

    def _passing(self, link: _Link, request: bytes) -> HeldWrite | None:
        """Decide about *request* of *link*: what to wait for before it goes on, and what becomes of its answer."""
        if _api_key(request) != _PRODUCE:
            return None
        with self._lock:
            if self._to_lose:
                self._to_lose -= 1
                self.lost += 1
                link.is_mute = True
            elif self._to_cut:
                self._to_cut -= 1
                self.lost += 1
                link.ends_at = _correlation(request)
            if not self._to_hold:
                return None
            self._to_hold -= 1
            held = HeldWrite()
            self.held.append(held)
            return held


class _Link:
    """One client's connection and ours to the broker."""

    def __init__(
        self,
        client: socket.socket,
        broker: socket.socket,
        passing: Callable[[_Link, bytes], HeldWrite | None],
    ) -> None:
        self._client, self._broker = client, broker
        self._passing = passing
        self.is_mute = False
        self.ends_at: bytes | None = None
        """Which request the broker is to have answered when the connection ends."""
        self._delayed: dict[bytes, HeldWrite] = {}

    def run(self) -> None:
        """Pass on in both directions until both have ended."""
        answers = threading.Thread(target=self._pass_answers, name="proxied answers", daemon=True)
        answers.start()
        self._pass_requests()
        answers.join()
        self._client.close()  # Not before: nobody may read from a descriptor that is free for others.
        self._broker.close()

    def close(self) -> None:
        for side in (self._client, self._broker):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _pass_requests(self) -> None:
        """Pass on whole requests; one that was held reaches the broker even when its client has gone meanwhile."""
        with contextlib.suppress(OSError):
            while (request := _read_message(self._client)) is not None:
                if (held := self._passing(self, request)) is not None:
                    held.wait()
                    self._delayed[_correlation(request)] = held
                self._broker.sendall(request)
        with contextlib.suppress(OSError):
            self._broker.shutdown(socket.SHUT_WR)

    def _pass_answers(self) -> None:
        with contextlib.suppress(OSError):
            while (answer := _read_message(self._broker)) is not None:
                number = answer[_LENGTH_BYTES : _LENGTH_BYTES + 4]
                if (held := self._delayed.pop(number, None)) is not None:
                    held.answered()
                if number == self.ends_at:
                    break
                if not self.is_mute:
                    with contextlib.suppress(OSError):  # Its client may have gone, and the broker has work to do yet.
                        self._client.sendall(answer)
        self.close()


def _read_message(source: socket.socket) -> bytes | None:
    """Return the next request or answer, `None` when no other one comes."""
    length = _read(source, _LENGTH_BYTES)
    if length is None:
        return None
    body = _read(source, int.from_bytes(length, "big"))
    return None if body is None else length + body


def _read(source: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        if not (chunk := source.recv(size - len(data))):
            return None
        data += chunk
    return bytes(data)


def _api_key(request: bytes) -> int:
    return int.from_bytes(request[_LENGTH_BYTES : _LENGTH_BYTES + 2], "big")


def _correlation(request: bytes) -> bytes:
    """Return the number by which a request and its answer are known."""
    return request[_LENGTH_BYTES + 4 : _LENGTH_BYTES + 8]


class KafkaBehindProxy(LocalKafka):
    """A broker that names a proxy's address as its own, so that its clients always come that way."""

    def __init__(self, data_dir: Path, proxy: DelayingProxy) -> None:
        super().__init__(data_dir)
        self.proxy = proxy

    @property
    def proxied(self) -> str:
        """Return the address for the clients that are to be disturbed."""
        return f"{LOOPBACK}:{self.proxy.port}"

    def start(self) -> None:
        super().start()
        self.proxy.upstream = int(self.bootstrap.rpartition(":")[2])

    def _write_properties(self, data: Path) -> Path:
        properties = super()._write_properties(data)
        advertised = f"advertised.listeners=PLAINTEXT://{self.proxied}"
        text, found = re.subn(r"^advertised\.listeners=.*$", advertised, properties.read_text(), flags=re.MULTILINE)
        assert 1 == found
        properties.write_text(text)
        return properties
