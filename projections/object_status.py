"""What became of each object in Kubernetes: how whoever reconciles the cluster tells it to all others.

Records of `__quick-status` beside those of topics. This module knows their form, and nothing of Kubernetes.
"""

from __future__ import annotations

from typing import Final

import msgspec

KEYS: Final = b"kubernetes/"
"""What the keys of all of them begin with."""

OK: Final = "ok"
"""The state of an object that is as it should be."""

TROUBLES: Final = frozenset(("failed", "conflict"))
"""The states of objects that somebody has to look at."""


class ObjectStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one object, or of the namespace as a whole."""

    kind: str
    """As in manifests; `Namespace` for what concerns no single object."""
    name: str
    noun: str = ""
    """Of its thing: `mirror`, `gateway` or `application`."""
    thing: str = ""
    """What its thing is called in Quick."""
    position: int = 0
    """Of the last command that changed what it is to be."""
    state: str
    """`ok`, `drifted` (others have changed it, and it is left so), `waiting`, `conflict` or `failed`."""
    reason: str = ""
    """Why it is not as it should be."""
    replicas: int | None = None
    """How many are wanted; `None` for what has none."""
    ready: int | None = None
    """How many of them are ready."""
    drifts: list[str] = []
    """What others had changed when it was last seen changed."""
    drifted: str = ""
    """When that was, in UTC."""


decoder: Final = msgspec.json.Decoder(ObjectStatus)


def object_key(kind: str, name: str) -> bytes:
    """Return the key of an object's status record."""
    return KEYS + f"{kind}/{name}".encode()


def encode_object(status: ObjectStatus) -> bytes:
    """Return the value of a status record: JSON, so that any tool shows it."""
    return msgspec.json.encode(status)
