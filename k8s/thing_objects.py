"""What the objects of all things have in common: names, labels, annotations, image."""

from __future__ import annotations

from typing import Protocol, TypeVar

from k8s.rendering import Manifest, manifest
from k8s.settings import KubernetesSettings

S_co = TypeVar("S_co", covariant=True)

POSITION = "quick/position"
"""Annotation: position of the last command that changed what an object is to be; 0 where a setting made it."""

INCARNATION = "quick/incarnation"
"""Annotation: position of the creation of the object's thing, which tells it from an earlier one of the same name."""

NAME = "quick/name"
"""Annotation: what the object's thing is called in Quick, whatever the object is called."""

INSTANCE = "quick/instance"
"""Label: the Quick that an object belongs to; no other one may touch it."""

MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"

MANAGER = "quick"
"""Value of the label `MANAGED_BY`, and the field manager."""


class DeclaredRow(Protocol[S_co]):
    """A thing that is declared, as the registry has it."""

    @property
    def incarnation(self) -> int:
        """Return the position of its creation."""

    @property
    def position(self) -> int:
        """Return the position of its last change."""

    @property
    def state(self) -> S_co:
        """Return what it is to be."""


class Objects:
    """Makes the objects of one thing.

    Args:
        settings: How; with an instance.
        row: The thing.
        thing: What it is called in Quick.
        name: What its objects are called.
        values: What its templates insert beside what all things have in common.
    """

    def __init__(
        self, settings: KubernetesSettings, row: DeclaredRow[object], thing: str, name: str, values: dict[str, object]
    ) -> None:
        assert settings.instance is not None, "objects without an instance would be everybody's"
        self._values: dict[str, object] = {
            "name": name,
            "thing": thing,
            "namespace": settings.namespace,
            "instance": settings.instance,
            "position": str(row.position),
            "incarnation": str(row.incarnation),
            "pull_policy": settings.pull_policy,
            "image_pull_secret": settings.image_pull_secret,
            "resources": settings.resources,
            "config": settings.config,
            "config_checksum": settings.config_checksum,
            "api_key_secret": settings.api_key_secret,
            "kafka_secret": settings.kafka_secret,
            "user": settings.run_as_user,
            **values,
        }

    def made(self, template: str) -> Manifest:
        """Return the object of a template."""
        return manifest(template, self._values)


def role_args(role: str, option: str, thing: str) -> list[str]:
    """Return the arguments of `quick` for a process that serves one thing alone; no name is taken for an option."""
    listening = ["--host=0.0.0.0", "--port=8080", "--management-port=8081"]
    return ["serve", f"--role={role}", f"--{option}={thing}", *listening]


def quick_image(settings: KubernetesSettings, tag: str | None) -> dict[str, object]:
    """Return the image that has all roles, and whether its tag is fixed: without one, it follows the default."""
    registry = "" if settings.registry is None else f"{settings.registry}/"
    return {"image": f"{registry}{settings.image}:{tag or settings.default_tag}", "fixed_tag": text_of(bool(tag))}


def text_of(flag: bool) -> str:  # noqa: FBT001 - the value itself
    """Return a flag as annotations hold it."""
    return "true" if flag else "false"
