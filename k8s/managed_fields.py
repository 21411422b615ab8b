"""Who owns which field of a live object, read from its `metadata.managedFields`.

The API server keeps, for each field manager, a tree of what that manager has set (`fieldsV1`). The steps of a path are
written here as they are there:

    f:spec                     a field of an object
    k:{"name":"app"}           the item of a list whose key fields have these values
    v:"quick.io/finalizer"     the item of a list that is a set
    i:3                        the item of a list at this index

A tree is a dict from steps to trees. A leaf, and a tree with the step `.`, is owned itself; what else is in a tree are
owned parts of it. A list that is a leaf is owned as a whole ("atomic"). Nothing here asks the cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Path = tuple[str, ...]
"""The steps from the root of an object to a field."""

Tree = Mapping[str, Any]
"""Steps to trees."""

ITSELF = "."
"""The step that stands for the field that holds it."""

_NEVER_OWNED = frozenset(
    ("f:metadata", f"f:{field}")
    for field in (
        "clusterName",
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    )
) | {("f:apiVersion",), ("f:kind",), ("f:metadata",)}


@dataclass(frozen=True, slots=True)
class Manager:
    """What one manager owns of an object."""

    name: str
    operation: str
    """`Apply` for server-side apply, `Update` for all other writes."""
    subresource: str
    """`status`, `scale`, or empty for the object itself."""
    api_version: str
    """The version of the API in which the fields are named."""
    fields: Tree


def managers_of(live: Mapping[str, Any]) -> list[Manager]:
    """Return all managers of *live*, an object as the API server gives it."""
    entries = live.get("metadata", {}).get("managedFields") or []
    return [
        Manager(
            name=entry.get("manager", ""),
            operation=entry.get("operation", ""),
            subresource=entry.get("subresource", ""),
            api_version=entry.get("apiVersion", ""),
            fields=entry.get("fieldsV1") or {},
        )
        for entry in entries
    ]


def fields_of(live: Mapping[str, Any], manager: str) -> Tree:
    """Return what *manager* owns of *live* by server-side apply in the version of *live*; an empty tree for nothing."""
    for one in managers_of(live):
        if (one.name, one.operation, one.subresource) == (manager, "Apply", ""):
            return one.fields if one.api_version == live.get("apiVersion") else {}
    return {}


def all_fields(live: Mapping[str, Any]) -> Tree:
    """Return what anybody owns of *live*: it shows which lists are merged by keys, and by which."""
    merged: dict[str, Any] = {}
    for manager in managers_of(live):
        _merge(merged, manager.fields)
    return merged


def owners_of(live: Mapping[str, Any], path: Path) -> list[str]:
    """Return the names of the managers that have set the field at *path*, or something in it; sorted."""
    return sorted({one.name for one in managers_of(live) if _reaches(one.fields, path)})


def owned_paths(tree: Tree, prefix: Path = ()) -> Iterator[Path]:
    """Yield the path of each field that *tree* owns, outer ones first."""
    if prefix and (not tree or ITSELF in tree):
        yield prefix
    for step, inner in tree.items():
        if step != ITSELF:
            yield from owned_paths(inner, (*prefix, step))


def is_ownable(path: Path) -> bool:
    """Return whether the field at *path* can have an owner: an object's identity has none."""
    return path not in _NEVER_OWNED


def keys_of(step: str) -> Mapping[str, Any] | None:
    """Return the key fields and their values that *step* names, `None` for a step that is none of this kind."""
    return _read_keys(step) if step.startswith("k:") else None


@lru_cache(maxsize=4096)  # A few steps stand in every object.
def _read_keys(step: str) -> Mapping[str, Any]:
    keys: dict[str, Any] = json.loads(step[2:])
    return keys


def key_step(keys: Mapping[str, Any]) -> str:
    """Return the step to the item of a list whose key fields have the values *keys*."""
    return f"k:{json.dumps(dict(sorted(keys.items())), separators=(',', ':'), ensure_ascii=False)}"


def value_step(value: object) -> str:
    """Return the step to the item *value* of a list that is a set."""
    return f"v:{json.dumps(value, separators=(',', ':'), ensure_ascii=False)}"


def path_text(path: Path) -> str:
    """Return *path* as the API server writes it in a conflict: `.spec.containers[name="app"].image`."""
    return "".join(map(_step_text, path)) or "."


def _step_text(step: str) -> str:
    kind, _, rest = step.partition(":")
    match kind:
        case "f":
            return f".{rest}"
        case "k":
            pairs = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in json.loads(rest).items())
            return f"[{','.join(pairs)}]"
        case "v":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"


def _reaches(tree: Tree, path: Path) -> bool:
    """Return whether *tree* owns the field at *path*, something in it, or a whole that it is part of."""
    for depth, step in enumerate(path):
        if step not in tree:
            return depth > 0 and not tree
        tree = tree[step]
    return True


def _merge(into: dict[str, Any], tree: Tree) -> None:
    for step, inner in tree.items():
        _merge(into.setdefault(step, {}), inner)
