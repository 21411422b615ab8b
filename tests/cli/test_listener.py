"""The listening socket: opened or refused with the way out."""

from __future__ import annotations

import socket

import pytest

from cli.listener import listen, url_of
from core.errors import LocalRuntimeError


def test_port_0_is_a_free_one_that_the_url_names() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert f"http://127.0.0.1:{port}" == url_of(listener)
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_wildcard_is_reached_by_the_loopback_address() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert f"http://127.0.0.1:{listener.getsockname()[1]}" == url_of(listener)


def test_an_ipv6_address_stands_in_brackets() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with listen("::1", 0) as listener:
        assert f"http://[::1]:{listener.getsockname()[1]}" == url_of(listener)


def test_a_taken_port_is_refused() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(LocalRuntimeError, match=rf"^Port {port} of 127\.0\.0\.1 is taken\. Stop the program"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_foreign_address_is_refused(host: str) -> None:
    with pytest.raises(LocalRuntimeError, match=f"^{host} is no address of this machine"):
        listen(host, 0)
