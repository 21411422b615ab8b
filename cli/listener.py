"""The listening socket of the server.

This process opens it and hands it to gunicorn: a taken port is noticed before anything is started, `--port 0` is known
at once, and requests wait for a moment, instead of being refused, while gunicorn is started again.
"""

from __future__ import annotations

import errno
import socket

from core.errors import LocalRuntimeError

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *port* of the interface *host*; port 0 takes a free one.

    Raises:
        LocalRuntimeError: The port is taken or reserved, or there is no such interface.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise LocalRuntimeError(_explain(host, port, error)) from error


def url_of(listener: socket.socket) -> str:
    """Return the address under which this machine reaches *listener*."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the wildcards are no addresses to call
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine. Name one with --host, for instance 127.0.0.1 or 0.0.0.0."
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken. Stop the program that listens there, "
            "or choose another port with --port (0 picks a free one)."
        )
    return f"Cannot listen on port {port} of {host}: {error.strerror}. Choose another port with --port."
