"""Connections to REST services: to addresses that were checked just before, and never beyond the time of a call.

The name of a host is looked up here and nowhere else, and the connection is made to the very address that was checked:
a name that resolves to something else a moment later has no effect. TLS and the header `Host` still have the name.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpcore

from core.rest_settings import RestHosts
from services.gateway.rest_addresses import is_public

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the IP addresses of a host, best first; raises `OSError` where there are none."""

_RESOLVERS: Final = 8
"""Hosts that are looked up at the same time; the look-up of one host is shared by all who wait for it."""

_MOST_ADDRESSES: Final = 4
"""Addresses of one host that are tried."""

_gives_up: ContextVar[float] = ContextVar("gives_up")
"""When the call of this thread has used up its time, on the monotonic clock."""


class AddressRefusedError(Exception):
    """Raised when a host has no address that may be called."""


class HostUnknownError(Exception):
    """Raised when a host cannot be found by its name."""


class UntrustedError(Exception):
    """Raised when a host has no TLS, or a certificate that nobody vouches for or that is another name's."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what this thread sends, receives and connects to when *seconds* have passed."""
    token = _gives_up.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _gives_up.reset(token)


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of *host* as the system knows them; raises `OSError` where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to the addresses that *hosts* allow.

    Args:
        hosts: Which hosts may have addresses that are not public.
        resolver: How names are looked up.
    """

    def __init__(self, hosts: RestHosts, resolver: Resolve = resolve) -> None:
        self._hosts = hosts
        self._resolver = resolver
        self._sockets = httpcore.SyncBackend()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="rest look-up")
        self._looked_up: dict[tuple[str, int], Future[Sequence[str]]] = {}

    def close(self) -> None:
        """End the threads without waiting for look-ups that are under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to the first address of *host* that may be called and answers.

        Raises:
            AddressRefusedError: None may be called.
            HostUnknownError: There is none.
            httpcore.ConnectError: None answers.
            httpcore.ConnectTimeout: The time is over.
        """
        ends = time.monotonic() + _left(timeout, httpcore.ConnectTimeout)
        addresses = self._allowed(host, port, self._addresses(host, port, ends))[:_MOST_ADDRESSES]
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            # One that is silent leaves its share of the time to those after it.
            share_s = _positive((ends - time.monotonic()) / left, httpcore.ConnectTimeout)
            try:
                return _TimedStream(self._sockets.connect_tcp(address, port, share_s, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise AssertionError("there is an address, and the last one raised")

    def _allowed(self, host: str, port: int, addresses: Sequence[str]) -> Sequence[str]:
        if self._hosts.opens(host, port):
            return addresses
        public = [address for address in addresses if is_public(address)]
        if not public:
            raise AddressRefusedError(f"{host} has the addresses {', '.join(addresses)}")
        return public

    def _addresses(self, host: str, port: int, ends: float) -> Sequence[str]:
        with self._lock:
            pending = self._looked_up.get((host, port))
            if pending is None:
                pending = self._threads.submit(self._look_up, host, port)
                self._looked_up[host, port] = pending
        try:
            addresses = pending.result(_positive(ends - time.monotonic(), httpcore.ConnectTimeout))
        except TimeoutError:
            # The look-up may also have ended by itself, with a time-out of the system: the same to whoever waits.
            raise httpcore.ConnectTimeout(f"{host} is still being looked up") from None
        except (OSError, UnicodeError) as error:
            raise HostUnknownError(host) from error
        if not addresses:
            raise HostUnknownError(host)
        return addresses

    def _look_up(self, host: str, port: int) -> Sequence[str]:
        try:
            return self._resolver(host, port)
        finally:
            with self._lock:
                del self._looked_up[host, port]


class _TimedStream(httpcore.NetworkStream):
    """A connection that ends what it does when the time of the call is over."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _left(timeout, httpcore.ConnectTimeout)
        try:
            return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left_s))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise UntrustedError(str(error)) from error
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout_s: float | None, over: type[httpcore.TimeoutException]) -> float:
    """Return the seconds that one step may take: *timeout_s*, and no more than what is left of the call's time."""
    left_s = _gives_up.get() - time.monotonic()
    return _positive(left_s if timeout_s is None else min(timeout_s, left_s), over)


def _positive(left_s: float, over: type[httpcore.TimeoutException]) -> float:
    if left_s <= 0:
        raise over("the time of the call is over")
    return left_s
