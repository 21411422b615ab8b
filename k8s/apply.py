"""The one caller of the Kubernetes API: list, watch, apply on the server's side, delete.

Objects go in and come out as plain dicts. Unknown fields are errors (strict validation), lists come in pages, every
wait is bounded, and nothing is tried again: the reconciler decides what to repeat, and when.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from core.errors import KubernetesRefusedError
from k8s.connection import Connection
from k8s.credentials import Credentials
from k8s.discovery import Discovery
from k8s.objects import FIELD_MANAGER, Kind, LiveObject, Manifest, ObjectRef
from k8s.refusals import refusal_of
from k8s.safe_json import encode

PAGE = 1000
"""Objects in one answer of a list: some megabytes."""

WATCH_GRACE_S = 5.0
"""Seconds after the end of a watch that its answer may still take, before the server counts as frozen."""

Propagation = Literal["Background", "Foreground", "Orphan"]
"""What becomes of the objects that an object owns: deleted afterwards, deleted before, left."""

_APPLY = "application/apply-patch+yaml"
_NEVER = "1"
"""A resource version that no object has: etcd counts its writes from 2."""
_NOT_FOUND = 404


class Listing(NamedTuple):
    """All objects of a kind at one moment."""

    objects: list[LiveObject]
    resource_version: str
    """The moment: a watch from here misses nothing."""


class WatchEvent(NamedTuple):
    """One change."""

    type: str
    """`ADDED`, `MODIFIED`, `DELETED`, or `BOOKMARK`: nothing but a newer resource version to go on from."""
    object: LiveObject

    @property
    def resource_version(self) -> str:
        """Return the moment of the change: a watch from here goes on after it."""
        return str(self.object["metadata"]["resourceVersion"])


class ApiClient:
    """A client of one API server. Safe to use from several threads; blocks; opens nothing before the first call.

    All methods raise `KubernetesUnavailableError` when the server does not answer within the bounds,
    `KubernetesRefusedError` when it says no, and `InvalidNameError` for names that cannot be.

    Args:
        credentials: Where, as whom, and in which namespace unless a call names one.
        timeout_s: Seconds without a sign of life after which a call is given up.
        connections: How many are kept open.
    """

    def __init__(self, credentials: Credentials, *, timeout_s: float = 10.0, connections: int = 4) -> None:
        self.namespace = credentials.namespace
        self._connection = Connection(credentials, timeout_s=timeout_s, connections=connections)
        self._discovery = Discovery(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connection.close()

    def get(self, ref: ObjectRef) -> LiveObject | None:
        """Return the object that *ref* names, `None` if there is none.

        Raises:
            KubernetesRefusedError: Also when the cluster does not know the kind.
        """
        path = self._path(ref)
        try:
            return self._connection.ask(f"read {ref}", "GET", path)
        except KubernetesRefusedError as error:
            if error.code != _NOT_FOUND:
                raise
            return None

    def list(self, kind: Kind, label_selector: str = "", namespace: str | None = None, page: int = PAGE) -> Listing:
        """Return all objects of *kind* in *namespace* (the client's unless named) that have the labels.

        Args:
            kind: What to list.
            label_selector: As kubectl takes it: `a=b,c!=d`; empty for all.
            namespace: Where; counts for kinds that are in namespaces.
            page: Objects in one answer.

        Raises:
            KubernetesExpiredError: It took so long that the server forgot the moment: list again.
        """
        path = self._discovery.path(kind, namespace or self.namespace)
        query = {"labelSelector": label_selector, "limit": str(page)}
        objects: list[LiveObject] = []
        while True:
            answer = self._connection.ask(f"list {kind}", "GET", path, query)
            # Items of a list do not say what they are.
            objects += [
                {"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer.get("items") or []
            ]
            metadata = answer["metadata"]
            if not metadata.get("continue"):
                return Listing(objects, metadata["resourceVersion"])
            query["continue"] = metadata["continue"]

    def watch(
        self,
        kind: Kind,
        resource_version: str,
        timeout_s: float,
        label_selector: str = "",
        namespace: str | None = None,
    ) -> Generator[WatchEvent, None, None]:
        """Yield what happens to objects of *kind* after *resource_version*, for *timeout_s* seconds at most.

        Args:
            kind: What to watch.
            resource_version: That of a list or of an earlier event.
            timeout_s: After so many seconds, at least 1, the watch ends: watch again from the last event.
            label_selector: As for `list`; an object that loses the labels is `DELETED`.
            namespace: As for `list`.

        Raises:
            KubernetesExpiredError: The resource version is too old: list again.
        """
        what = f"watch {kind}"
        seconds = max(1, round(timeout_s))
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "true",
            "labelSelector": label_selector,
        }
        path = self._discovery.path(kind, namespace or self.namespace)
        # A frozen server keeps silent; one that only forgets to end the watch does not.
        end = time.monotonic() + seconds + WATCH_GRACE_S
        with self._connection.lines(what, path, query, silence_s=seconds + WATCH_GRACE_S) as lines:
            for line in lines:
                yield self._event(what, line)
                if time.monotonic() > end:
                    return

    def apply(
        self, manifest: Manifest, field_manager: str = FIELD_MANAGER, *, force: bool = False, dry_run: bool = False
    ) -> LiveObject:
        """Make the object have what *manifest* says, and return it as it is then.

        Fields that *field_manager* applied before and that are not in *manifest* any more go away.

        Args:
            manifest: The wanted fields, and no others.
            field_manager: As whom.
            force: Take over fields that other managers own.
            dry_run: Only try; what is returned is what would be.

        Raises:
            KubernetesConflictError: Other managers own fields of it with other values.
            InvalidInputError: The manifest does not say what it is, or holds what cannot be sent.
        """
        ref = ObjectRef.of(manifest)
        query = {"fieldManager": field_manager, "fieldValidation": "Strict", "force": json.dumps(force)}
        if dry_run:
            query["dryRun"] = "All"
        return self._connection.ask(f"apply {ref}", "PATCH", self._path(ref), query, encode(manifest), _APPLY)

    def create(self, manifest: Manifest) -> LiveObject:
        """Make the object that *manifest* describes, by an apply, and return it as it is then.

        An apply that names a resource version is refused when the object has another one, and makes an object that is
        not there (tried with every kind that Quick makes). So nobody else's is taken over, with one request.

        Raises:
            KubernetesConflictError: There is one of this name.
            InvalidInputError: As `apply`.
        """
        return self.apply({**manifest, "metadata": {**manifest["metadata"], "resourceVersion": _NEVER}})

    def delete(
        self,
        ref: ObjectRef,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
        dry_run: bool = False,
    ) -> bool:
        """Delete an object, and return whether there was one.

        Args:
            ref: Its name.
            uid: Only if it is this very object, not a later one of the same name.
            resource_version: Only if nobody has changed it since.
            propagation: What becomes of the objects that it owns.
            dry_run: Only try.

        Raises:
            KubernetesConflictError: It is another object, or has been changed.
        """
        conditions = {"uid": uid, "resourceVersion": resource_version}
        options: dict[str, Any] = {
            "propagationPolicy": propagation,
            "preconditions": {name: value for name, value in conditions.items() if value is not None},
        }
        if dry_run:
            options["dryRun"] = ["All"]
        path = self._path(ref)
        try:
            self._connection.ask(f"delete {ref}", "DELETE", path, body=json.dumps(options).encode())
        except KubernetesRefusedError as error:
            if error.code != _NOT_FOUND:
                raise
            return False
        return True

    def _path(self, ref: ObjectRef) -> str:
        return self._discovery.path(ref.kind, ref.namespace or self.namespace, ref.name)

    def _event(self, what: str, line: bytes) -> WatchEvent:
        event = self._connection.decoded(what, line)
        kind, changed = event["type"], event["object"]
        if kind == "ERROR":
            raise refusal_of(self._connection.credentials.server, what, int(changed.get("code", 500)), changed)
        return WatchEvent(kind, changed)
