"""Where in the API the objects of each kind are: asked once for each version of a group, when it is needed."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from core.errors import InvalidNameError, KubernetesRefusedError
from k8s.connection import Connection
from k8s.objects import Kind

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")
_API_VERSION = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?v[a-z0-9]{1,62}")
_NOT_FOUND = 404


class Resource(NamedTuple):
    """How a kind is named in paths."""

    plural: str
    is_namespaced: bool


class Discovery:
    """Knows the paths of objects. Safe to use from several threads: at worst, the same is asked twice."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._resources: dict[Kind, Resource] = {}

    def path(self, kind: Kind, namespace: str, name: str | None = None) -> str:
        """Return the path of an object, or of all of its *kind* without *name*; *namespace* counts if it has one.

        Raises:
            InvalidNameError: A name that would lead elsewhere: an empty one or `..` would mean all objects of the kind.
            KubernetesRefusedError: The cluster does not know the kind.
            KubernetesUnavailableError: The API server cannot be asked.
        """
        resource = self.resource(kind)
        parts = [_root(kind.api_version)]
        if resource.is_namespaced:
            parts += ["namespaces", _checked(namespace)]
        parts.append(resource.plural)
        if name is not None:
            parts.append(_checked(name))
        return "/".join(parts)

    def resource(self, kind: Kind) -> Resource:
        """Return how *kind* is named in paths.

        A kind that is not known is asked for each time: somebody may install its definition.

        Raises:
            KubernetesRefusedError: The cluster does not know the kind.
            KubernetesUnavailableError: The API server cannot be asked.
        """
        if kind not in self._resources:
            self._resources.update(self._discovered(kind))
        try:
            return self._resources[kind]
        except KeyError:
            raise _unknown(kind) from None

    def _discovered(self, kind: Kind) -> dict[Kind, Resource]:
        if not _API_VERSION.fullmatch(kind.api_version):
            raise InvalidNameError(f"{kind.api_version[:80]!r} is no version of an API. Write it like apps/v1 or v1.")
        try:
            answer = self._connection.ask(f"tell what {kind.api_version} is", "GET", _root(kind.api_version))
        except KubernetesRefusedError as error:
            if error.code != _NOT_FOUND:
                raise
            raise _unknown(kind) from error
        return {
            Kind(kind.api_version, one["kind"]): Resource(quote(one["name"]), bool(one["namespaced"]))
            for one in answer.get("resources", [])
            if "/" not in one["name"]  # The others are parts of objects, such as deployments/status.
        }


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            f"{name[:80]!r} cannot be the name of an object in Kubernetes. Use letters, digits, '-' and '.'."
        )
    return quote(name)


def _unknown(kind: Kind) -> KubernetesRefusedError:
    return KubernetesRefusedError(f"find the kind {kind}", _NOT_FOUND, "NotFound", "the cluster does not know it")
