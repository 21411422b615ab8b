"""The addresses that `@rest` may name: absolute, of HTTP, and without anything secret in them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_NO_URL_CHARACTER: Final = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RestUrl:
    """An absolute address in its parts, so that nobody takes it apart a second time and perhaps in another way."""

    scheme: str
    """`http` or `https`."""

    host: str
    """A name or an IP address, in small letters; an IPv6 address without its brackets."""

    port: int

    path: str
    """As it was written; empty where there is none."""

    query: str
    """As it was written, without the question mark; empty where there is none."""

    @classmethod
    def parse(cls, text: str) -> RestUrl:
        """Return the parts of *text*.

        Raises:
            ValueError: It is no address that can be called; says why and what to write. Does not repeat the
                address, which may hold a password.
        """
        if (wrong := _NO_URL_CHARACTER.search(text)) is not None:
            raise ValueError(f"it has the character {wrong[0]!r}. Percent-encode it; a host is written in ASCII")
        if _BROKEN_ESCAPE.search(text):
            raise ValueError("it has a % without two hexadecimal digits. Write %25 for a percent sign")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("its host or port cannot be read. Write it as http://host:8080/path") from None
        if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
            raise ValueError("it is not absolute. Begin it with http:// or https:// and a host")
        if "@" in parts.netloc:
            raise ValueError("it has a user or a password. Let an operator set the header in QUICK_REST_HEADERS")
        if "#" in text:
            raise ValueError("it has a fragment, which is never sent. Remove what begins with #")
        if port == 0:
            raise ValueError("its port is 0. Write a port from 1 to 65535, or none")
        host = parse_host(parts.hostname or "")
        return cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], parts.path, parts.query)

    @property
    def authority(self) -> str:
        """Host and port as in the header `Host`: the usual port of the scheme is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_host(text: str) -> str:
    """Return the host *text*, an IPv6 address without brackets, as hosts are compared: small, no dot at the end.

    Raises:
        ValueError: It is neither a name nor an IP address.
    """
    if ":" in text:
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            address = None
        if address is None or address.scope_id is not None:
            raise ValueError("its host is no IPv6 address. Write it in brackets, as in http://[2001:db8::1]")
        return str(address)
    if not _NAME.fullmatch(text):
        raise ValueError("its host is neither a name nor an IP address. Write it as http://host:8080/path")
    return text.lower().removesuffix(".")
