"""The objects of a user's application: its replicas, and a Service where it listens on a port."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from core.applications import Application
from k8s.names import Prefix, object_name
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from k8s.thing_objects import DeclaredRow, Objects, text_of

_CREDENTIALS: Final = re.compile(r"//[^/]*@")

LOGIN: Final = (
    "QUICK_KAFKA_SASL_USERNAME",
    "QUICK_KAFKA_SASL_PASSWORD",
    "QUICK_KAFKA_SSL_CERTIFICATE_PEM",
    "QUICK_KAFKA_SSL_KEY_PEM",
    "QUICK_KAFKA_SSL_KEY_PASSWORD",
)
"""What an application gets of the Secret for Kafka, as far as it is there; somebody may keep more in it."""

_BROKERS: Final = "brokers"
_REGISTRY: Final = "schema-registry-url"


def application_manifests(row: DeclaredRow[Application], settings: KubernetesSettings) -> list[Manifest]:
    """Return the objects of an application."""
    application = row.state
    registry = f"{application.registry}/" if application.registry else ""
    values: dict[str, object] = {
        "image": f"{registry}{application.image_name}:{application.tag}",
        "replicas": application.replicas,
        "port": application.port,
        "image_pull_secret": application.image_pull_secret,
        "args": list(_args(application, settings)),
        "has_service": text_of(application.port is not None),
        "user": settings.application_user,
        "login": list(LOGIN) if settings.application_kafka_login and settings.kafka_secret is not None else [],
    }
    name = object_name(Prefix.APPLICATION, application.name)
    objects = Objects(settings, row, application.name, name, values)
    made = [objects.made("application-deployment")]
    if application.port is not None:
        made.insert(0, objects.made("application-service"))
    return made


def _args(application: Application, settings: KubernetesSettings) -> Iterator[str]:
    """Yield the command line: what every application is told, unless it is told otherwise, and then its own."""
    own = {key.removeprefix("--"): value for key, value in application.arguments.items()}
    for key, value in {**_places(settings), **own}.items():
        yield f"--{key}={value}"


def _places(settings: KubernetesSettings) -> dict[str, str]:
    """Return where Kafka and the schema registry are; what must not stand here is put in by Kubernetes."""
    url = settings.schema_registry_url
    return {
        _BROKERS: settings.kafka or "$(QUICK_KAFKA_BOOTSTRAP_SERVER)",
        _REGISTRY: "$(QUICK_KAFKA_SCHEMA_REGISTRY_URL)" if _CREDENTIALS.search(url) else url,
    }
