"""Our objects in the cluster at one moment, and what can be read off them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from core.errors import KubernetesExpiredError, KubernetesRefusedError
from k8s.apply import ApiClient
from k8s.drift import annotation
from k8s.managed_fields import managers_of, owners_of
from k8s.objects import FIELD_MANAGER, Kind, LiveObject, Manifest, ObjectRef
from k8s.thing_objects import COMPONENT, INCARNATION, INSTANCE, MANAGED_BY, MANAGER, NAME, POSITION

STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment")
JOB: Final = Kind("batch/v1", "Job")
POD: Final = Kind("v1", "Pod")

KINDS: Final = (
    Kind("v1", "ConfigMap"),
    Kind("v1", "Service"),
    Kind("traefik.io/v1alpha1", "Middleware"),
    Kind("networking.k8s.io/v1", "Ingress"),
    Kind("policy/v1", "PodDisruptionBudget"),
    STATEFUL_SET,
    DEPLOYMENT,
    JOB,
)
"""All kinds of objects that Quick makes."""

APP: Final = "app.kubernetes.io/name"
"""Label: what all objects of a thing have in common, and no other thing has."""

_WORKLOADS: Final = frozenset((STATEFUL_SET, DEPLOYMENT))
_LEAVES_SOMETHING: Final = frozenset(("mirror", "streamsApp"))
_TRIES: Final = 3
_NOT_FOUND: Final = 404


class Life(NamedTuple):
    """One incarnation of a thing, by the label of its objects."""

    app: str
    incarnation: int


class Cluster:
    """Our objects at one moment.

    Raises:
        KubernetesUnavailableError: The API server cannot be asked.
        LeadershipLostError: As *confirm* raises it.
    """

    def __init__(self, client: ApiClient, instance: str, confirm: Callable[[], None]) -> None:
        self.moments: dict[Kind, str] = {}
        """From where a watch of each kind goes on."""
        self.unseen: dict[Kind, str] = {}
        """The kinds that cannot be listed, and why."""
        self._objects: dict[ObjectRef, LiveObject] = {}
        for kind in KINDS:
            confirm()
            try:
                self._read(client, kind, selector(instance))
            except (KubernetesRefusedError, KubernetesExpiredError) as error:
                self.unseen[kind] = str(error)

    def get(self, ref: ObjectRef) -> LiveObject | None:
        """Return the object of ours that *ref* names."""
        return self._objects.get(ref)

    def __iter__(self) -> Iterator[tuple[ObjectRef, LiveObject]]:
        return iter(list(self._objects.items()))

    def _read(self, client: ApiClient, kind: Kind, label_selector: str) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                listing = client.list(kind, label_selector)
                break
            except KubernetesExpiredError:
                if attempt == _TRIES:
                    raise
            except KubernetesRefusedError as error:
                if error.code == _NOT_FOUND:
                    return  # The kind is not installed, so there is nothing of it; who wants some will be told.
                raise
        self.moments[kind] = listing.resource_version
        self._objects.update((ObjectRef.of(live), live) for live in listing.objects)


def selector(instance: str) -> str:
    """Return which objects belong to *instance*."""
    return f"{MANAGED_BY}={MANAGER},{INSTANCE}={instance}"


def is_made_by_us(live: LiveObject) -> bool:
    """Return whether Quick has applied something of *live*: labels alone may have been copied."""
    return any(one.name == FIELD_MANAGER and one.operation == "Apply" for one in managers_of(live))


def is_ending(live: LiveObject) -> bool:
    """Return whether *live* is being deleted already."""
    return "deletionTimestamp" in live["metadata"]


def is_workload(kind: Kind) -> bool:
    """Return whether objects of *kind* have replicas."""
    return kind in _WORKLOADS


def leaves_something(live: LiveObject) -> bool:
    """Return whether *live* is a workload that has to be cleaned up after."""
    is_such = label(live, COMPONENT) in _LEAVES_SOMETHING
    return is_such and is_workload(Kind(live["apiVersion"], live["kind"]))


def life_of(live: LiveObject) -> Life | None:
    """Return to which life of its thing *live* belongs, `None` if somebody else says so, or nobody."""
    incarnation = _own_number(live, INCARNATION)
    return None if incarnation is None else Life(label(live, APP), incarnation)


def wanted_life(manifest: Manifest) -> Life:
    """Return to which life of its thing the object of *manifest* belongs."""
    metadata = manifest["metadata"]
    return Life(metadata["labels"][APP], int(metadata["annotations"][INCARNATION]))


def position_of(live: LiveObject) -> int:
    """Return up to which command *live* was made, 0 if somebody else says so, or nobody."""
    return _own_number(live, POSITION) or 0


def thing_of(live: Manifest) -> str:
    """Return what the thing of *live* is called in Quick."""
    return str((live["metadata"].get("annotations") or {}).get(NAME, ""))


def label(live: Manifest, name: str) -> str:
    """Return a label of *live*; empty if it has none of this name."""
    return str((live["metadata"].get("labels") or {}).get(name, ""))


def _own_number(live: LiveObject, name: str) -> int | None:
    """Return the number in an annotation that is ours alone: what others wrote must not make us delete anything."""
    value = annotation(live, name)
    if owners_of(live, ("f:metadata", "f:annotations", f"f:{name}")) != [FIELD_MANAGER]:
        return None
    return int(value) if value is not None and value.isdecimal() else None
