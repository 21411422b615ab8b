"""The paths of a process that serves one thing alone: those of Quick on one machine, and the same ones at the root.

    mirror of T          /mirror/T/mirror/KEY            is also   /mirror/KEY
                         /mirror/T/streams/partitions              /streams/partitions
    gateway G            /gateway/G/graphql                        /graphql
    schema registry      /schema-registry/subjects                 /subjects

An ingress takes the beginning of a gateway's paths off, clients of bakdata/quick ask mirrors at the root, and those of
Confluent the schema registry. A path is made whole before anybody looks at it, so that keys and their scopes mean the
same; what belongs to another mirror or gateway is made one of this one too, and is not found. Only a key of a mirror
that begins with the topic's name and a slash has to be asked for by its whole path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.roles import Role
from core.settings import Settings

_OWN: Final = ("/health", "/metrics", "/openapi.json")
"""What is there at the root whatever is served."""

_PARTS: Final = frozenset({"mirror", "range", "rows", "status", "streams"})
"""What comes behind the topic in the paths of a mirror."""

WholePath = Callable[[str], str]
"""Makes a path whole; one that is so stays as it is."""


def whole_paths(settings: Settings) -> WholePath | None:
    """Return what makes the paths of a process whole, `None` where there is nothing to be done."""
    match settings.role:
        case Role.MIRROR:
            return lambda path: _of_mirror(f"/mirror/{settings.served}", path)
        case Role.GATEWAY:
            return lambda path: _under(f"/gateway/{settings.served}", path)
        case Role.SCHEMA_REGISTRY:
            return lambda path: _under("/schema-registry", path)
    return None


def with_whole_path(scope: Mapping[str, Any], whole: WholePath) -> dict[str, Any]:
    """Return *scope* with its path made whole, also as it was sent."""
    changed = {**scope, "path": whole(scope["path"])}
    if (raw := scope.get("raw_path")) is not None:
        path, question, query = raw.partition(b"?")
        changed["raw_path"] = whole(path.decode("latin-1")).encode("latin-1") + question + query
    return changed


def _of_mirror(beginning: str, path: str) -> str:
    part = path[len(beginning) + 1 :].partition("/")[0]
    is_whole = path.startswith(f"{beginning}/") and part in _PARTS
    return path if is_whole or path in _OWN else beginning + path


def _under(beginning: str, path: str) -> str:
    if path in _OWN or path == beginning or path.startswith(f"{beginning}/"):
        return path
    return beginning + path
