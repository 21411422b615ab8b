"""The objects of a gateway: its replicas, its schema, and the way to them from outside."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from core.gateways import Gateway
from k8s import names
from k8s.names import Prefix, object_name
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from k8s.thing_objects import DeclaredRow, Objects, quick_image, role_args, text_of

MAX_SCHEMA_BYTES: Final = 1_000_000
"""A ConfigMap holds 1 MiB; the gateway itself takes its schema from the log."""


def gateway_manifests(row: DeclaredRow[Gateway], settings: KubernetesSettings) -> list[Manifest]:
    """Return the objects of a gateway."""
    gateway, ingress = row.state, settings.ingress
    name = object_name(Prefix.GATEWAY, gateway.name)
    values: dict[str, object] = {
        "config_map": f"{name}{names.CONFIG}",
        "sdl": _config_text(gateway),
        "replicas": gateway.replicas,
        "args": role_args("gateway", "gateway", gateway.name),
        "ingress": ingress,
        "has_tls": text_of(ingress.ssl),
        "middleware": f"{settings.namespace}-{name}@kubernetescrd",
        "path": f"/gateway/{quote(gateway.name, safe='')}",
        **quick_image(settings, gateway.tag),
    }
    objects = Objects(settings, row, gateway.name, name, values)
    made = [objects.made(f"gateway-{what}") for what in ("configmap", "service", "middleware", "ingress", "deployment")]
    if gateway.replicas > 1:
        made.append(objects.made("gateway-disruption-budget"))
    return made


def _config_text(gateway: Gateway) -> str:
    size = len(gateway.sdl.encode())
    if size <= MAX_SCHEMA_BYTES:
        return gateway.sdl
    return f"# Of {size} bytes, which is more than fits here. To read it: quick gateway schema {gateway.name}\n"
