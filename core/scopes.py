"""What an API key may be allowed: the scopes, and what each covers.

    admin            everything
    manage           topics, gateways, mirrors, applications, the log: everything under /manager but keys and
                     mending the log;
                     registering and deleting schemas, and how they may change (any key may read and check them)
    ingest:TOPIC     write to a topic
    read:GATEWAY     query a gateway
    mirror:TOPIC     read a topic's mirror

A name can be `*`, or end with `*`: `ingest:orders-*`.
"""

from __future__ import annotations

import re

from core.errors import InvalidInputError

ADMIN = "admin"
MANAGE = "manage"
INGEST = "ingest"
READ = "read"
MIRROR = "mirror"

_NAMED = re.compile(rf"({INGEST}|{READ}|{MIRROR}):[A-Za-z0-9._-]*\*?")


def check_scope(scope: str) -> None:
    """Refuse what is no scope.

    Raises:
        InvalidInputError: Says which scopes there are.
    """
    if scope in {ADMIN, MANAGE}:
        return
    if not _NAMED.fullmatch(scope) or scope.endswith(":"):
        raise InvalidInputError(
            f"{scope!r} is no scope. Choose of admin, manage, ingest:TOPIC, read:GATEWAY and mirror:TOPIC,"
            " where a name can end with *."
        )


def named(kind: str, name: str) -> str:
    """Return the scope for one thing, as in `ingest:orders`."""
    return f"{kind}:{name}"


def covers(scope: str, needed: str) -> bool:
    """Return whether a key with *scope* may do what needs the scope *needed*."""
    if scope in {ADMIN, needed}:
        return True
    return scope.endswith("*") and needed.startswith(scope.removesuffix("*"))
