"""The objects of a user's application: its replicas, and a Service where it listens on a port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from k8s.names import Prefix, object_name
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings
from k8s.thing_objects import DeclaredRow, Objects, text_of

_CREDENTIALS: Final = re.compile(r"//[^/]*@")

_BROKERS: Final = "brokers"
_REGISTRY: Final = "schema-registry-url"


class Application(Protocol):
    """An application that is declared."""

    @property
    def name(self) -> str:
        """Return its name in Quick."""

    @property
    def registry(self) -> str:
        """Return where its image is."""

    @property
    def image_name(self) -> str:
        """Return the name of its image."""

    @property
    def tag(self) -> str:
        """Return the tag of its image."""

    @property
    def replicas(self) -> int:
        """Return how many of it are to run."""

    @property
    def port(self) -> int | None:
        """Return the port that it listens on, `None` for none."""

    @property
    def image_pull_secret(self) -> str | None:
        """Return the name of the Secret that its image is pulled with, `None` where none is needed."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """Return what it is told on its command line beside where Kafka and the schema registry are."""


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
