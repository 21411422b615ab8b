"""What is to be in the cluster: a pure function of what is declared and of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8s.applications import Application, application_manifests
from k8s.gateways import gateway_manifests
from k8s.mirrors import mirror_manifests, topic_registry_manifests
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from k8s.thing_objects import DeclaredRow
from projections.declarations import Declarations


def desired(
    declared: Declarations, settings: KubernetesSettings, applications: Sequence[DeclaredRow[Application]] = ()
) -> list[Manifest]:
    """Return all objects, those that others need before them; the same for the same, whatever the order of the rows.

    Without an instance in the *settings*, the log that was declared in is the instance.
    """
    settings = replace(settings, instance=instance_of(declared, settings))
    things = [topic_registry_manifests(settings)] if settings.topic_registry.is_enabled else []
    things += [mirror_manifests(row, settings) for row in sorted(declared.mirrors, key=lambda row: row.state.name)]
    things += [gateway_manifests(row, settings) for row in sorted(declared.gateways, key=lambda row: row.state.name)]
    things += [application_manifests(row, settings) for row in sorted(applications, key=lambda row: row.state.name)]
    return [manifest for thing in things for manifest in thing]


def instance_of(declared: Declarations, settings: KubernetesSettings) -> str:
    """Return the value of the label that all our objects have, and nobody else's."""
    return settings.instance or declared.log
