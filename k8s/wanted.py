"""The objects that are to be in the cluster, kept from one round to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from k8s.desired import ThingRow, instance_of, manifests_of, rows_of
from k8s.drift import stamped
from k8s.mirrors import topic_registry_manifests
from k8s.objects import Manifest, ObjectRef
from k8s.settings import KubernetesSettings
from projections.declarations import Declarations

Objects = Mapping[ObjectRef, Manifest]


class Wanted:
    """Returns what `k8s.desired` says, stamped; the same manifest for the same thing.

    Only the objects of things that have changed are made again: templates take half a millisecond each, and a command
    changes one thing of hundreds.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self._given = settings
        self._settings: KubernetesSettings | None = None
        """With the instance, once that is known."""
        self._registry: Objects = {}
        self._things: dict[tuple[type, str], tuple[ThingRow, Objects]] = {}

    def objects(self, declared: Declarations) -> Objects:
        """Return all objects, in the order in which they are made."""
        settings = self._adopt(instance_of(declared, self._given))
        self._things = {
            (type(row.state), row.state.name): (row, self._objects_of(row, settings)) for row in rows_of(declared)
        }
        wanted = dict(self._registry)
        for _, objects in self._things.values():
            wanted |= objects
        return wanted

    def _adopt(self, instance: str) -> KubernetesSettings:
        """Return the settings with *instance*; begin anew when it is another one, as for another log."""
        if self._settings is None or self._settings.instance != instance:
            self._settings = replace(self._given, instance=instance)
            self._things = {}
            is_enabled = self._settings.topic_registry.is_enabled
            self._registry = _stamped(topic_registry_manifests(self._settings)) if is_enabled else {}
        return self._settings

    def _objects_of(self, row: ThingRow, settings: KubernetesSettings) -> Objects:
        known = self._things.get((type(row.state), row.state.name))
        if known is not None and known[0] == row:
            return known[1]
        return _stamped(manifests_of(row, settings))


def _stamped(manifests: Iterable[Manifest]) -> Objects:
    return {ObjectRef.of(manifest): stamped(manifest) for manifest in manifests}
