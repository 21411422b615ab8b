"""Names of Kubernetes objects, and the words that the other modules of this folder use for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from core.errors import InvalidInputError

FIELD_MANAGER = "quick"
"""Under this name the API server knows which fields are ours."""

Manifest = Mapping[str, Any]
"""An object as it is sent: `apiVersion`, `kind`, `metadata` and what is wanted of the rest."""

LiveObject = dict[str, Any]
"""An object as the API server gives it."""


class Kind(NamedTuple):
    """A kind of objects in one version of its API."""

    api_version: str
    """Group and version (`apps/v1`), or the version alone for the core group (`v1`)."""
    kind: str
    """As in manifests: `Deployment`."""

    def __str__(self) -> str:
        """Return how messages call it."""
        return f"{self.kind} ({self.api_version})"


class ObjectRef(NamedTuple):
    """The name of one object."""

    kind: Kind
    name: str
    namespace: str | None = None
    """`None` for the client's own namespace, and for objects that are in none."""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the name of the object that *manifest* describes.

        Raises:
            InvalidInputError: It does not say what it is.
        """
        metadata = manifest.get("metadata")
        names = metadata if isinstance(metadata, Mapping) else {}
        parts = (manifest.get("apiVersion"), manifest.get("kind"), names.get("name"), names.get("namespace"))
        match parts:
            case (str(api_version), str(kind), str(name), str() | None as namespace) if api_version and kind and name:
                return cls(Kind(api_version, kind), name, namespace)
        raise InvalidInputError(
            f"A manifest needs apiVersion, kind and metadata.name; this one has {parts[:3]!r}. Add what is missing."
        )

    def __str__(self) -> str:
        """Return how messages call it: `Deployment a/b`."""
        return f"{self.kind.kind} {self.name if self.namespace is None else f'{self.namespace}/{self.name}'}"
