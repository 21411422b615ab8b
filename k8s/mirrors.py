"""The objects of a mirror: a StatefulSet whose replicas have a volume each, and the Services before them."""

from __future__ import annotations

from core.mirrors import Mirror
from k8s import names
from k8s.names import Prefix, object_name
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from k8s.thing_objects import DeclaredRow, Objects, quick_image, role_args
from projections.registry import Row


def mirror_manifests(row: DeclaredRow[Mirror], settings: KubernetesSettings) -> list[Manifest]:
    """Return the objects of a mirror. What it keeps is no part of them: its processes read that in the log."""
    return _manifests(row, settings, object_name(Prefix.MIRROR, row.state.name))


def topic_registry_manifests(settings: KubernetesSettings) -> list[Manifest]:
    """Return the objects of the mirror of the published registry, which no command has declared."""
    registry = settings.topic_registry
    mirror = Mirror(name=registry.service, topic=registry.topic, replicas=1, tag=None)
    return _manifests(Row(0, 0, mirror), settings, registry.service)


def _manifests(row: DeclaredRow[Mirror], settings: KubernetesSettings, name: str) -> list[Manifest]:
    mirror, headless = row.state, f"{name}{names.HEADLESS}"
    copies = settings.mirror_copies
    is_shared = copies is not None and copies < mirror.replicas
    values: dict[str, object] = {
        "headless": headless,
        "replicas": mirror.replicas,
        "sharing_replicas": str(mirror.replicas) if is_shared else None,
        "args": role_args("mirror", "topic", mirror.topic),
        "advertised_address": f"$(POD_NAME).{headless}.{settings.namespace}.svc:8080",
        "storage_class": settings.storage_class,
        "storage_size": settings.storage_size,
        **quick_image(settings, mirror.tag),
    }
    objects = Objects(settings, row, mirror.name, name, values)
    made = [objects.made(f"mirror-{what}") for what in ("headless-service", "service", "statefulset")]
    if mirror.replicas > 1:
        made.append(objects.made("mirror-disruption-budget"))
    return made
