"""What an operator says about the REST services that gateways call: which hosts, which headers, how long, how much.

A schema names the services, and whoever applies one need not be trusted with the network that the gateway stands in:
these settings draw the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec

from core.environment import Environment, between, some_seconds
from core.rest_urls import parse_host

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~\t]*[!-~])?")
_OWN_HEADERS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_MAX_PORT: Final = 65_535

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of the hosts that may be called."""

    name: str
    """A host in small letters, or the end of names with the dot that it begins with, or empty for any host."""

    port: int | None
    """The port that may be called, `None` for any."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern of `host`, `host:port`, `[::1]:port`, `*.example.com` or `*`.

        Raises:
            ValueError: It is none of these.
        """
        name, port = _host_and_port(text)
        if name == "*":
            return cls("", port)
        if name.startswith("*."):
            return cls("." + parse_host(name[2:]), port)
        return cls(parse_host(name), port)

    @property
    def is_exact(self) -> bool:
        """Whether the pattern is one host, written out."""
        return bool(self.name) and not self.name.startswith(".")

    def matches(self, host: str, port: int) -> bool:
        """Return whether *host*, in small letters, is meant at *port*."""
        if self.port is not None and self.port != port:
            return False
        return host == self.name if self.is_exact else host.endswith(self.name)


@dataclass(frozen=True, slots=True)
class RestHosts:
    """Which hosts may be called."""

    patterns: tuple[HostPattern, ...] = (HostPattern("", None),)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the hosts of a comma-separated list of patterns.

        Raises:
            ValueError: One of them is no pattern.
        """
        return cls(tuple(HostPattern.parse(part.strip()) for part in text.split(",") if part.strip()))

    def allows(self, host: str, port: int) -> bool:
        """Return whether *host* may be called at *port*, if its address is public."""
        return any(pattern.matches(host, port) for pattern in self.patterns)

    def opens(self, host: str, port: int) -> bool:
        """Return whether *host* may be called at *port* at any address: it is written out in the list."""
        return any(pattern.is_exact and pattern.matches(host, port) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True)
class RestSettings:
    """The settings of `@rest`. Each field names its environment variable, its unit and its default."""

    hosts: RestHosts = RestHosts()
    """`QUICK_REST_HOSTS`: the hosts that may be called, comma-separated, by default `*`: `api.example.com`,
    `api.example.com:8443`, `*.example.com`, `*`. Without a port, every port is meant. Addresses that are not public
    (loopback, private, link-local and so on) are called only for hosts that are written out: `*,recommender:8080`."""

    headers: Mapping[str, Headers] = field(default_factory=dict, repr=False)
    """`QUICK_REST_HEADERS`: headers that a host is sent, as JSON by `host` or `host:port`, which goes first:
    `{"api.example.com:443": {"Authorization": "Bearer …"}}`. Never printed. Whoever may apply schemas can have them
    sent to any path of the host, and without a port to any port."""

    connect_timeout_s: float = 2.0
    """`QUICK_REST_CONNECT_TIMEOUT_S`: seconds to look up a host and to connect to it, above 0."""

    read_timeout_s: float = 5.0
    """`QUICK_REST_READ_TIMEOUT_S`: seconds without a byte from a service after which it is given up, above 0."""

    total_timeout_s: float = 10.0
    """`QUICK_REST_TOTAL_TIMEOUT_S`: seconds that a call takes at most, from the look-up to the last byte, above 0."""

    connections: int = 32
    """`QUICK_REST_CONNECTIONS`: connections of one worker process to all services together, at least 1."""

    calls_per_host: int = 4
    """`QUICK_REST_CALLS_PER_HOST`: calls of one worker process to one host and port at the same time, at least 1. Less
    than the operations that a worker executes at the same time, so that a slow service leaves some to the others."""

    max_response_bytes: int = 1_048_576
    """`QUICK_REST_MAX_RESPONSE_BYTES`: longest body of an answer in bytes, as sent and as unpacked, at least 1."""

    def headers_for(self, host: str, port: int) -> Headers:
        """Return the headers that *host* is sent at *port*."""
        return {**self.headers.get(host, {}), **self.headers.get(f"{host}:{port}", {})}

    @classmethod
    def read(cls, env: Environment) -> Self:
        """Return the settings in *env*.

        Raises:
            SettingsError: One cannot be used.
        """
        return cls(
            hosts=env.optional("QUICK_REST_HOSTS", RestHosts.parse, cls.hosts),
            headers=env.secret("QUICK_REST_HEADERS", parse_headers, {}),
            connect_timeout_s=env.optional("QUICK_REST_CONNECT_TIMEOUT_S", some_seconds, cls.connect_timeout_s),
            read_timeout_s=env.optional("QUICK_REST_READ_TIMEOUT_S", some_seconds, cls.read_timeout_s),
            total_timeout_s=env.optional("QUICK_REST_TOTAL_TIMEOUT_S", some_seconds, cls.total_timeout_s),
            connections=env.optional("QUICK_REST_CONNECTIONS", between(1, 10_000), cls.connections),
            calls_per_host=env.optional("QUICK_REST_CALLS_PER_HOST", between(1, 10_000), cls.calls_per_host),
            max_response_bytes=env.optional(
                "QUICK_REST_MAX_RESPONSE_BYTES", between(1, 1_073_741_824), cls.max_response_bytes
            ),
        )


def parse_headers(text: str) -> Mapping[str, Headers]:
    """Return the headers by host of the JSON *text*.

    Raises:
        ValueError: It is something else, or a header cannot be sent. Repeats no value.
    """
    try:
        given = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    except msgspec.MsgspecError:
        raise ValueError('it takes JSON such as {"api.example.com": {"Authorization": "Bearer …"}}') from None
    found: dict[str, dict[str, str]] = {}
    for place, headers in given.items():
        pattern = HostPattern.parse(place)
        if not pattern.is_exact:
            raise ValueError(f"{place} is no single host, and headers are sent to those only")
        for name, value in headers.items():
            _check_header(place, name, value)
        found[pattern.name if pattern.port is None else f"{pattern.name}:{pattern.port}"] = headers
    return found


def _check_header(place: str, name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
        raise ValueError(f"{name!r} of {place} is no header that can be set")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} of {place} is empty, or has more than ASCII characters of one line")


def _host_and_port(text: str) -> tuple[str, int | None]:
    if bracketed := re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text):
        name, port = bracketed[1], bracketed[2]
        if ":" not in name:
            raise ValueError(f"{text!r} is no host. Only IPv6 addresses stand in brackets")
    else:
        name, colon, after = text.partition(":")
        port = after if colon else None
    if port is None:
        return name, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= _MAX_PORT:
        raise ValueError(f"{text!r} has no port from 1 to {_MAX_PORT}. Write it as host:8080, IPv6 as [::1]:8080")
    return name, int(port)
