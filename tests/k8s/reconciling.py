"""A reconciler over declarations that a test changes, and looks at what it made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.applications import Application
from core.gateways import Gateway
from core.mirrors import Mirror
from k8s.apply import ApiClient
from k8s.cluster import KINDS, selector
from k8s.objects import Kind, LiveObject, ObjectRef
from k8s.outcomes import Outcome, Result
from k8s.reconcile import Reconciler
from k8s.settings import KubernetesSettings
from projections.declarations import Declarations
from projections.registry import Row
from tests.k8s.declared_things import application, gateway, mirror
from tests.k8s.manifests import POD, STATEFUL_SET

INSTANCE = "quick"
TIMEOUT_S = 180.0
"""Longest wait: after restarts of the API server, controllers try again at intervals of half a minute and more."""

MIRROR = {"StatefulSet quick-mirror-orders", "Service quick-mirror-orders", "Service quick-mirror-orders-headless"}
GATEWAY = {
    "ConfigMap quick-gateway-shop-config",
    "Deployment quick-gateway-shop",
    "Ingress quick-gateway-shop",
    "Middleware quick-gateway-shop",
    "Service quick-gateway-shop",
}
APPLICATION = {"Deployment quick-app-recommender", "Service quick-app-recommender"}
"""The objects of one small thing of each kind."""


@dataclass
class Declared:
    """What is declared; to be changed by the test."""

    position: int = 30
    mirrors: list[Row[Mirror]] = field(default_factory=list)
    gateways: list[Row[Gateway]] = field(default_factory=list)
    applications: list[Row[Application]] = field(default_factory=list)

    def now(self) -> Declarations:
        return Declarations(
            position=self.position,
            log="log-0123456789abcdef",
            mirrors=list(self.mirrors),
            gateways=list(self.gateways),
            applications=list(self.applications),
        )

    def reconciler(self, client: ApiClient, leads: Callable[[], bool] = lambda: True, **settings: Any) -> Reconciler:
        options: dict[str, Any] = {"namespace": client.namespace, "instance": INSTANCE, **settings}
        return Reconciler(client, self.now, KubernetesSettings(**options), leads)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for *condition*."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in time"
        time.sleep(0.05)


def settle(reconciler: Reconciler) -> list[Outcome]:
    """Reconcile until nothing is left to be done, and return all outcomes."""
    outcomes: list[Outcome] = []

    def is_settled() -> bool:
        outcomes.append(reconciler.reconcile())
        return outcomes[-1].is_settled

    try:
        until(is_settled, "settled")
    except AssertionError:
        raise AssertionError(outcomes[-1]) from None
    return outcomes


def names(client: ApiClient, instance: str = INSTANCE) -> set[str]:
    """Return kind and name of all objects of *instance*."""
    return {
        f"{kind.kind} {live['metadata']['name']}"
        for kind in KINDS
        for live in client.list(kind, selector(instance)).objects
    }


def states(outcome: Outcome) -> dict[str, str]:
    """Return the state of each object by kind and name."""
    return {f"{result.ref.kind.kind} {result.ref.name}": result.state.value for result in outcome.results}


def result_of(outcome: Outcome, name: str) -> Result:
    """Return the one result of the object with this kind and name."""
    (found,) = (one for one in outcome.results if f"{one.ref.kind.kind} {one.ref.name}" == name)
    return found


def found(client: ApiClient, ref: ObjectRef) -> LiveObject:
    """Return an object that is there."""
    live = client.get(ref)
    assert live is not None, f"{ref} is not there"
    return live


def pods(client: ApiClient) -> list[str]:
    """Return the names of all pods in the namespace."""
    return [pod["metadata"]["name"] for pod in client.list(POD).objects]


def one_of_each() -> Declared:
    """Return one thing of each kind, whose objects are `MIRROR`, `GATEWAY` and `APPLICATION`."""
    return Declared(mirrors=[mirror()], gateways=[gateway()], applications=[application(port=8000)])


def workload(name: str, kind: Kind = STATEFUL_SET) -> ObjectRef:
    """Return the name of a StatefulSet, or of another kind of workload."""
    return ObjectRef(kind, name)
