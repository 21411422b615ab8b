"""Names of Kubernetes objects, derived from the names of Quick's things.

Topics, gateways and applications may have names that no Kubernetes object can have. A name that fits is only given its
prefix; any other one is altered, and then ends with a hash of what it was, so that two things never share a name: an
unaltered name that looks as if it ended with such a hash, or with what is added to names below, is altered too.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

MAX_LENGTH: Final = 52
"""A StatefulSet's pods carry its name, a dash and ten characters in a label of at most 63; and it leaves room for the
endings below."""

HEADLESS: Final = "-headless"
"""Ending of the Service that gives each replica of a mirror a name of its own."""

CONFIG: Final = "-config"
"""Ending of the ConfigMap with a gateway's schema."""

_MAX_LABEL: Final = 63

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_OTHER: Final = re.compile(r"[^a-z0-9]+")

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels, so that a hash spells nothing, and few words look like one."""
_HASH_LENGTH: Final = 12
_LOOKS_ALTERED: Final = re.compile(f".*-([{_ALPHABET}]{{{_HASH_LENGTH}}}|headless)", re.DOTALL)


class Prefix(StrEnum):
    """What the names of a kind of thing begin with; none is the beginning of another one."""

    GATEWAY = "quick-gateway-"
    MIRROR = "quick-mirror-"
    APPLICATION = "quick-app-"


def object_name(prefix: Prefix, name: str) -> str:
    """Return the name of the objects of a thing: one DNS label of at most `MAX_LENGTH` characters."""
    plain = f"{prefix}{name}"
    if is_label(plain) and not _LOOKS_ALTERED.fullmatch(plain):
        return plain
    return _altered(prefix, name, plain, MAX_LENGTH)


def job_name(workload: str, incarnation: int) -> str:
    """Return the name of the Job that cleans up after a workload; each incarnation of the thing has one of its own."""
    ending = f"-deletion-{incarnation}"
    if len(workload) + len(ending) <= _MAX_LABEL:
        return workload + ending
    return _altered("", workload, workload, _MAX_LABEL - len(ending)) + ending


def is_label(name: str) -> bool:
    """Return whether *name* is a DNS label that leaves room for what is added to names."""
    return len(name) <= MAX_LENGTH and _LABEL.fullmatch(name) is not None


def is_own(name: str) -> bool:
    """Return whether *name* could be one that is made here."""
    return name.startswith(tuple(Prefix)) or _LOOKS_ALTERED.fullmatch(name) is not None


def _altered(prefix: str, name: str, hashed: str, length: int) -> str:
    room = length - len(prefix) - 1 - _HASH_LENGTH
    readable = _OTHER.sub("-", name.lower()).strip("-")[:room].rstrip("-")
    return prefix + "-".join(filter(None, (readable, _hash(hashed))))


def _hash(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    characters = []
    for _ in range(_HASH_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)
