"""TCP ports of this machine."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_ATTEMPTS = 1_000


def is_free(port: int) -> bool:
    """Return whether a server could listen on *port* of the loopback interface now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier one that linger must not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on, other ones at each call.

    It lies below the ports that the kernel gives to clients: a client that keeps trying to reach a server that is
    away is otherwise given the server's own port one day, connects to itself, and keeps the server out.

    Raises:
        OSError: None was found.
    """
    first_ephemeral = int(_EPHEMERAL.read_text().split()[0])
    highest = first_ephemeral - 1 if first_ephemeral > 2 * _LOWEST else 65_535
    for _ in range(_ATTEMPTS):
        port = random.randint(_LOWEST, highest)  # noqa: S311 - nothing depends on its being secret
        if is_free(port):
            return port
    raise OSError(f"No free port between {_LOWEST} and {highest}")
