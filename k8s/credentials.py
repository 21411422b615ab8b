"""Where the API server is, and who we are there."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Where the API server is, and what it is told about us."""

    server: str
    """Its URL."""
    namespace: str
    """The namespace of what names none."""
    tls: ssl.SSLContext = field(repr=False)
    """Whom we trust, and our certificate where we have one."""
    tls_server_name: str | None = None
    """The name in the server's certificate, where it is not that of the URL."""
    proxy: str | None = field(default=None, repr=False)
    """URL of the HTTP proxy to go through."""
    authorization: Callable[[], str | None] = field(default=lambda: None, repr=False)
    """Returns the header; it changes, because tokens are renewed."""
