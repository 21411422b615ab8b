"""The reconciler of Kubernetes on a real control plane: many mirrors made and looked at, and one after a command.

The control plane shares this machine's cores, so times by the clock are those of its API server, too. Ours are the CPU
seconds beside them.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from serving import client as quick_client
from serving import serving

from core.mirrors import Mirror
from k8s.apply import ApiClient
from k8s.desired import desired
from k8s.login import load_credentials
from k8s.objects import Kind, ObjectRef
from k8s.outcomes import Outcome, State
from k8s.reconcile import Reconciler
from k8s.settings import KubernetesSettings
from projections.declarations import Declarations
from projections.registry import Row
from tests.k8s.cluster import programs
from tests.k8s.control_plane import ControlPlane

MIRRORS = 500
TOPICS = 20
TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.005
STATEFUL_SET = Kind("apps/v1", "StatefulSet")

AnyRow = tuple[str, str, str, str, str]


class Spent(NamedTuple):
    """What something cost."""

    wall_s: float
    cpu_s: float
    requests: int

    def __str__(self) -> str:
        """Return how the table shows it."""
        return f"{self.wall_s:.2f} s, {self.cpu_s:.2f} s CPU, {self.requests:,} requests"


class CountingClient(ApiClient):
    """Counts what it asks for."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.requests = 0
        ask = self._connection.ask

        def counting(*given: Any, **options: Any) -> dict[str, Any]:
            self.requests += 1
            return ask(*given, **options)

        self._connection.ask = counting  # type: ignore[method-assign]  # only here, to count


def measure(bootstrap: str, folder: Path) -> Iterator[AnyRow]:
    """Yield rows of the table."""
    if programs.missing():
        sys.exit(programs.NOT_BUILT)
    folder = folder / f"reconcile-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    (folder / "cluster").mkdir()
    with ControlPlane(folder / "cluster") as cluster:
        yield from _measure_many(cluster)
        yield from _measure_command(cluster, bootstrap, folder)


def _measure_many(cluster: ControlPlane) -> Iterator[AnyRow]:
    bare = _bare(cluster)
    mirrors = [_mirror(f"m{number}") for number in range(MIRRORS)]
    with _client(cluster) as client:
        reconciler = _reconciler(client, mirrors)
        made = _spent(client, lambda: _checked(reconciler.reconcile(), State.APPLIED))
        ratio = f"{bare.wall_s / made.wall_s * 100:.0f} %"
        yield f"{MIRRORS} new mirrors", str(made), f"bare applies: {bare}", ratio, "≥ 70 % of the rate"
        first = _spent(client, lambda: _checked(_reconciler(client, mirrors).reconcile(), State.UNCHANGED))
        yield f"{MIRRORS} unchanged mirrors, first round", str(first), "", "", "< 3 s, ≤ 10 requests"
        _checked(reconciler.reconcile(), State.UNCHANGED)
        later = _spent(client, lambda: _checked(reconciler.reconcile(), State.UNCHANGED))
        yield f"{MIRRORS} unchanged mirrors, later rounds", str(later), "", "", ""
        mirrors.append(_mirror("one-more"))
        one = _spent(client, reconciler.reconcile)
        yield f"one more beside {MIRRORS}", str(one), "", "", ""


def _bare(cluster: ControlPlane) -> Spent:
    """Apply as many objects one after the other, from texts that are there, and do nothing else."""
    with _client(cluster) as client:
        settings = KubernetesSettings(namespace=client.namespace, instance="quick")
        declared = _declared([_mirror(f"m{number}") for number in range(MIRRORS)])
        manifests = desired(declared, settings)
        client.apply(manifests[0], dry_run=True)
        return _spent(client, lambda: [client.apply(manifest) for manifest in manifests])


def _measure_command(cluster: ControlPlane, bootstrap: str, folder: Path) -> Iterator[AnyRow]:
    with _client(cluster) as client:
        environment = {
            "QUICK_K8S": "true",
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBERNETES_CLIENT_NAMESPACE": client.namespace,
        }
        with serving(bootstrap, folder, workers=1, environment=environment) as (port, _), quick_client(port) as http:
            _delay_s(client, http, "first")  # Its process may not have begun yet.
            delays = sorted(_delay_s(client, http, f"topic-{number}") for number in range(TOPICS))
    median, longest = delays[len(delays) // 2], delays[-1]
    what = "a topic is acknowledged → its objects are there"
    yield what, f"longest {longest:.2f} s", f"median {median:.2f} s of {TOPICS}", "", "< 1 s"


def _delay_s(client: ApiClient, http: httpx.Client, topic: str) -> float:
    params = {"keyType": "string", "valueType": "string"}
    http.post(f"/manager/topic/{topic}", params=params, json={}).raise_for_status()
    began = time.monotonic()
    ref = ObjectRef(STATEFUL_SET, f"quick-mirror-{topic}")  # The last one of a mirror.
    while client.get(ref) is None:
        assert time.monotonic() - began < TIMEOUT_S, f"{ref} is not there in time"
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began


@contextmanager
def _client(cluster: ControlPlane) -> Iterator[CountingClient]:
    """Return a client for a new namespace."""
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    with CountingClient(replace(load_credentials(str(cluster.kubeconfig)), namespace=namespace)) as client:
        yield client


def _mirror(name: str) -> Row[Mirror]:
    """Return a mirror without replicas: what Kubernetes does with pods is not what is measured."""
    return Row(11, 12, Mirror(name=name, topic=name, replicas=0, tag=None))


def _declared(mirrors: list[Row[Mirror]]) -> Declarations:
    return Declarations(position=30, log="log-bench", mirrors=list(mirrors), gateways=[], applications=[])


def _reconciler(client: CountingClient, mirrors: list[Row[Mirror]]) -> Reconciler:
    settings = KubernetesSettings(namespace=client.namespace, instance="quick")
    return Reconciler(client, lambda: _declared(mirrors), settings, lambda: True)


def _checked(outcome: Outcome, state: State) -> None:
    assert {state} == {result.state for result in outcome.results}, outcome.troubles()


def _spent(client: CountingClient, work: Callable[[], object]) -> Spent:
    wall, cpu, requests = time.perf_counter(), time.process_time(), client.requests
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu, client.requests - requests)
