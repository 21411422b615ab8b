"""What others have done to an object of ours, told from what is wanted anew.

Each object carries a digest of the manifest that it was last given. Where the digest is the one of today's manifest,
every difference is somebody else's doing; where it is not, those in fields that somebody else owns by now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from k8s.comparison import Comparison, Difference
from k8s.managed_fields import Path, keys_of, owners_of, path_text, value_step
from k8s.objects import FIELD_MANAGER, LiveObject, Manifest
from k8s.outcomes import Drift, shortened

APPLIED: Final = "quick/applied"
"""Annotation: digest of the manifest that was applied last."""

REPLICAS: Final = "quick/replicas"
"""Annotation that somebody puts on a workload: `external` leaves the number of replicas to whoever else sets it, such
as a HorizontalPodAutoscaler."""

FIXED_TAG: Final = "d9p.io/fixed-tag"
"""Annotation of workloads of Quick's own image: `false` where its tag is the default one."""

_EXTERNAL: Final = "external"
_REPLICAS_PATH: Final[Path] = ("f:spec", "f:replicas")


def stamped(manifest: Manifest) -> dict[str, Any]:
    """Return *manifest* with its digest."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), APPLIED: digest}},
    }


def respecting_others(manifest: Manifest, live: LiveObject, *, updates_images: bool) -> dict[str, Any]:
    """Return *manifest* as far as it is ours to say.

    Args:
        manifest: What is wanted.
        live: What is there. Where it says that others set the number of replicas, and somebody does, that is left out.
        updates_images: Whether what has no fixed tag goes with the default one, or keeps the image that it has.
    """
    if not updates_images and annotation(manifest, FIXED_TAG) == annotation(live, FIXED_TAG) == "false":
        manifest = _with_images_of(manifest, live)
    is_external = annotation(live, REPLICAS) == _EXTERNAL
    if is_external and others_at(live, _REPLICAS_PATH):
        return without(manifest, [_REPLICAS_PATH])
    return dict(manifest)


def drifts_of(manifest: Manifest, live: LiveObject, comparison: Comparison) -> dict[Path, Drift]:
    """Return what others have changed of *live*, which is to be as *manifest*, a stamped one."""
    was_applied = is_applied_today(manifest, live)
    found = {}
    for difference in comparison.differences:
        others = others_at(live, difference.path)
        if was_applied or others:
            found[difference.path] = _drift(difference, others)
    return found


def is_applied_today(manifest: Manifest, live: LiveObject) -> bool:
    """Return whether *manifest*, a stamped one, is what *live* was given last."""
    return annotation(live, APPLIED) == annotation(manifest, APPLIED)


def annotation(live: Manifest, name: str) -> str | None:
    """Return an annotation of *live*, `None` if it has none of this name."""
    value = (live["metadata"].get("annotations") or {}).get(name)
    return None if value is None else str(value)


def others_at(live: LiveObject, path: Path) -> tuple[str, ...]:
    """Return who else owns the field at *path*, or something in it."""
    return tuple(owner for owner in owners_of(live, path) if owner != FIELD_MANAGER)


def without(manifest: Manifest, paths: Iterable[Path]) -> dict[str, Any]:
    """Return a copy of *manifest* that lacks the fields and list items at *paths*."""
    copy: dict[str, Any] = json.loads(json.dumps(manifest))
    for path in paths:
        _remove(copy, path)
    return copy


def _with_images_of(manifest: Manifest, live: LiveObject) -> dict[str, Any]:
    """Return a copy of *manifest* whose containers have the images of those of the same names in *live*."""
    copy = without(manifest, ())
    images = {one["name"]: one["image"] for one in live["spec"]["template"]["spec"]["containers"]}
    for container in copy["spec"]["template"]["spec"]["containers"]:
        container["image"] = images.get(container["name"], container["image"])
    return copy


def _drift(difference: Difference, others: tuple[str, ...]) -> Drift:
    return Drift(
        field=path_text(difference.path),
        managers=others,
        wanted=shortened(difference.wanted),
        found=shortened(difference.found),
    )


def _remove(value: Any, path: Path) -> None:
    *way, last = path
    for step in way:
        places = list(_places(value, step))
        if not places:
            return
        value = value[places[0]]
    for place in _places(value, last):
        del value[place]
        return


def _places(value: Any, step: str) -> Iterator[Any]:
    """Yield the key or the index in *value* to which *step* leads, if it leads anywhere."""
    kind, _, rest = step.partition(":")
    if isinstance(value, dict):
        if kind == "f" and rest in value:
            yield rest
    elif isinstance(value, list):
        keys = keys_of(step)
        for index, item in enumerate(value):
            if keys is not None:
                is_meant = isinstance(item, dict) and all(item.get(k, v) == v for k, v in keys.items())
            else:
                is_meant = value_step(item) == step or (kind == "i" and int(rest) == index)
            if is_meant:
                yield index
