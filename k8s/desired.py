"""What is to be in the cluster: a pure function of what is declared and of the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from core.applications import Application
from core.gateways import Gateway
from core.mirrors import Mirror
from k8s.applications import application_manifests
from k8s.gateways import gateway_manifests
from k8s.mirrors import mirror_manifests, topic_registry_manifests
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from projections.declarations import Declarations
from projections.registry import Row

Thing = TypeVar("Thing", Mirror, Gateway, Application)
ThingRow = Row[Mirror] | Row[Gateway] | Row[Application]


def desired(declared: Declarations, settings: KubernetesSettings) -> list[Manifest]:
    """Return all objects, those that others need before them; the same for the same, whatever the order of the rows.

    Without an instance in the *settings*, the log that was declared in is the instance.
    """
    settings = replace(settings, instance=instance_of(declared, settings))
    things = [topic_registry_manifests(settings)] if settings.topic_registry.is_enabled else []
    things += [manifests_of(row, settings) for row in rows_of(declared)]
    return [manifest for thing in things for manifest in thing]


def rows_of(declared: Declarations) -> list[ThingRow]:
    """Return all things that are declared, in the order in which their objects are wanted."""
    return [*_by_name(declared.mirrors), *_by_name(declared.gateways), *_by_name(declared.applications)]


def manifests_of(row: ThingRow, settings: KubernetesSettings) -> list[Manifest]:
    """Return the objects of one thing; *settings* with an instance."""
    match row.state:
        case Mirror() as mirror:
            return mirror_manifests(Row(row.incarnation, row.position, mirror), settings)
        case Gateway() as gateway:
            return gateway_manifests(Row(row.incarnation, row.position, gateway), settings)
        case Application() as application:
            return application_manifests(Row(row.incarnation, row.position, application), settings)


def _by_name(rows: Iterable[Row[Thing]]) -> list[Row[Thing]]:
    return sorted(rows, key=lambda row: row.state.name)


def instance_of(declared: Declarations, settings: KubernetesSettings) -> str:
    """Return the value of the label that all our objects have, and nobody else's."""
    return settings.instance or declared.log
