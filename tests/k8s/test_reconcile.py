"""The reconciler against a real control plane: what it makes, mends, gives up, and leaves alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import KubernetesUnavailableError
from k8s.apply import ApiClient
from k8s.cluster import KINDS
from k8s.comparison import Comparison, compare
from k8s.objects import Kind, LiveObject, Manifest, ObjectRef
from k8s.outcomes import Outcome, State
from k8s.settings import Drift
from projections.reconciler import LeadershipLostError
from projections.registry import Row
from tests.k8s.control_plane import ControlPlane
from tests.k8s.declared_things import application, gateway, mirror
from tests.k8s.manifests import CONFIG_MAP, DEPLOYMENT, STATEFUL_SET, deployment, manifest
from tests.k8s.reconciling import (
    APPLICATION,
    GATEWAY,
    MIRROR,
    Declared,
    found,
    names,
    pods,
    result_of,
    settle,
    states,
    until,
    workload,
)

SERVICE = Kind("v1", "Service")
GOLDEN = Path(__file__).parent / "golden"

RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["", "apps", "batch", "networking.k8s.io", "policy", "traefik.io"],
        "resources": [
            *("configmaps", "services", "statefulsets", "deployments", "jobs", "ingresses"),
            *("poddisruptionbudgets", "middlewares"),
        ],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]
"""The rights that suffice, in one namespace."""

NewClient = Callable[..., ApiClient]


@pytest.fixture
def requests(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the client asks for from now on."""
    asked: list[str] = []
    ask = client._connection.ask

    def noting(what: str, *more: Any, **options: Any) -> dict[str, Any]:
        asked.append(what)
        return ask(what, *more, **options)

    monkeypatch.setattr(client._connection, "ask", noting)
    return asked


def wipe(client: ApiClient) -> None:
    """Delete what Quick made, as a stranger does."""
    for kind in KINDS:
        for live in client.list(kind, "quick/instance").objects:
            client.delete(ObjectRef.of(live))


# Making and deleting.


def test_all_that_is_declared_is_made_and_then_left_alone(
    client: ApiClient, declared: Declared, requests: list[str]
) -> None:
    reconciler = declared.reconciler(client)
    assert {"applied"} == set(states(reconciler.reconcile()).values())
    assert MIRROR | GATEWAY | APPLICATION == names(client)
    until(lambda: len(pods(client)) == 3, "pods")
    requests.clear()
    outcome = reconciler.reconcile()
    assert {"unchanged"} == set(states(outcome).values())
    assert outcome.is_settled
    assert [f"list {kind}" for kind in KINDS] == requests
    assert 30 == outcome.position


def test_ready_replicas_are_told(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    until(
        lambda: result_of(reconciler.reconcile(), "StatefulSet quick-mirror-orders").ready == 1,
        "the mirror is ready",
    )
    result = result_of(reconciler.reconcile(), "StatefulSet quick-mirror-orders")
    assert (1, "orders") == (result.replicas, result.thing)
    assert result_of(reconciler.reconcile(), "Service quick-mirror-orders").ready is None


def test_a_gateway_that_is_given_up_goes_at_once(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    declared.gateways.clear()
    declared.position = 31
    outcome = reconciler.reconcile()
    assert dict.fromkeys(GATEWAY, "deleted") == {name: states(outcome)[name] for name in GATEWAY}
    assert MIRROR | APPLICATION == names(client)
    assert outcome.is_settled


def test_what_a_change_makes_needless_goes_and_the_thing_stays(client: ApiClient, declared: Declared) -> None:
    declared.mirrors = [mirror(replicas=2)]
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    assert "PodDisruptionBudget quick-mirror-orders" in names(client)
    declared.mirrors = [mirror()]
    declared.applications = [application()]
    settle(reconciler)
    assert MIRROR | GATEWAY | {"Deployment quick-app-recommender"} == names(client)


# What others do.


def test_what_a_stranger_deletes_comes_back(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    wipe(client)
    assert set() == names(client)
    settle(reconciler)
    assert MIRROR | GATEWAY | APPLICATION == names(client)


def change_image(client: ApiClient) -> None:
    """Change a field of a Deployment as a stranger, and take one away."""
    changed = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "quick-gateway-shop", "labels": {"team": "blue"}},
        "spec": {"replicas": 7},
    }
    client.apply(changed, "stranger", force=True)


def test_what_others_change_is_reverted_and_told_and_what_they_add_stays(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    change_image(client)
    outcome = reconciler.reconcile()
    (drift,) = result_of(outcome, "Deployment quick-gateway-shop").drifts
    assert (".spec.replicas", ("stranger",), "1", "7") == (drift.field, drift.managers, drift.wanted, drift.found)
    assert "applied" == states(outcome)["Deployment quick-gateway-shop"]
    live = found(client, workload("quick-gateway-shop", DEPLOYMENT))
    assert (1, "blue") == (live["spec"]["replicas"], live["metadata"]["labels"]["team"])
    assert {"unchanged"} == set(states(reconciler.reconcile()).values())


def test_what_others_change_is_only_told_if_a_setting_says_so(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client, drift=Drift.REPORT)
    reconciler.reconcile()
    change_image(client)
    outcome = reconciler.reconcile()
    result = result_of(outcome, "Deployment quick-gateway-shop")
    assert (State.DRIFTED, [".spec.replicas"]) == (result.state, [drift.field for drift in result.drifts])
    assert ["7"] == [drift.found for drift in result.drifts]
    assert 7 == found(client, workload("quick-gateway-shop", DEPLOYMENT))["spec"]["replicas"]
    assert outcome.is_settled
    assert [f"{result.ref}: .spec.replicas: 7 found by stranger, 1 wanted."] == outcome.notes()
    assert [] == outcome.troubles()


def test_a_command_is_followed_beside_what_others_have_changed(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client, drift=Drift.REPORT)
    reconciler.reconcile()
    change_image(client)
    declared.gateways = [gateway(tag="9.9", replicas=1)]
    assert "applied" == states(reconciler.reconcile())["Deployment quick-gateway-shop"]
    live = found(client, workload("quick-gateway-shop", DEPLOYMENT))
    assert 7 == live["spec"]["replicas"]
    assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":9.9")
    assert "drifted" == states(reconciler.reconcile())["Deployment quick-gateway-shop"]


def test_a_field_that_somebody_takes_away_comes_back_and_is_told(
    control_plane: ControlPlane, client: ApiClient, declared: Declared
) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    path = f"/api/v1/namespaces/{client.namespace}/services/quick-gateway-shop"
    control_plane.change(path, {"metadata": {"annotations": {"quick/name": None}}})
    (drift,) = result_of(reconciler.reconcile(), "Service quick-gateway-shop").drifts
    assert (".metadata.annotations.quick/name", (), "None") == (drift.field, drift.managers, drift.found)
    after = found(client, ObjectRef(SERVICE, "quick-gateway-shop"))
    assert "shop" == after["metadata"]["annotations"]["quick/name"]


def test_an_annotation_leaves_the_replicas_to_an_autoscaler(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    scaled = manifest(DEPLOYMENT, "quick-gateway-shop", metadata={"annotations": {"quick/replicas": "external"}})
    client.apply(scaled, "operator")
    assert {"unchanged"} == set(states(reconciler.reconcile()).values())
    client.apply({**scaled, "spec": {"replicas": 4}}, "autoscaler", force=True)
    settle(reconciler)
    declared.gateways = [gateway(tag="9.9", replicas=2)]
    settle(reconciler)
    live = found(client, workload("quick-gateway-shop", DEPLOYMENT))
    assert 4 == live["spec"]["replicas"]
    assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":9.9")


@pytest.mark.parametrize(("updates_images", "expected"), [(True, "2.0"), (False, "1.0")])
def test_what_has_no_fixed_tag_goes_with_the_default_one_if_it_is_to(
    client: ApiClient, declared: Declared, *, updates_images: bool, expected: str
) -> None:
    def images() -> dict[str, str]:
        lives = (
            found(client, workload("quick-gateway-shop", DEPLOYMENT)),
            found(client, workload("quick-mirror-orders")),
        )
        containers = [live["spec"]["template"]["spec"]["containers"] for live in lives]
        return {one["name"]: one["image"].rpartition(":")[2] for several in containers for one in several}

    settle(declared.reconciler(client, default_tag="1.0"))
    assert {"1.0"} == set(images().values())
    later = declared.reconciler(client, default_tag="2.0", updates_images=updates_images)
    settle(later)
    assert {expected} == set(images().values())
    declared.gateways = [gateway(replicas=3)]
    settle(later)
    assert 3 == found(client, workload("quick-gateway-shop", DEPLOYMENT))["spec"]["replicas"]
    assert {expected} == set(images().values())
    declared.gateways = [gateway(tag="9.9")]
    settle(later)
    assert {"9.9", expected} == set(images().values())
    assert {"unchanged"} == set(states(later.reconcile()).values())


def test_an_incarnation_that_a_stranger_writes_deletes_nothing(client: ApiClient, declared: Declared) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    metadata = {"annotations": {"quick/incarnation": "999", "quick/position": "999"}}
    client.apply(manifest(STATEFUL_SET, "quick-mirror-orders", metadata=metadata), "stranger", force=True)
    before = found(client, workload("quick-mirror-orders"))["metadata"]["uid"]
    settle(reconciler)
    live = found(client, workload("quick-mirror-orders"))
    assert (before, "11", 1) == (
        live["metadata"]["uid"],
        live["metadata"]["annotations"]["quick/incarnation"],
        live["spec"]["replicas"],
    )


def test_only_what_has_changed_is_compared_again(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def noting(wanted: Manifest, live: LiveObject) -> Comparison:
        compared.append(f"{live['kind']} {live['metadata']['name']}")
        return compare(wanted, live)

    monkeypatch.setattr("k8s.reconcile.compare", noting)
    declared = Declared(gateways=[gateway(replicas=0)])
    reconciler = declared.reconciler(client)

    def is_quiet() -> bool:
        compared.clear()
        return {"unchanged"} == set(states(reconciler.reconcile()).values()) and not compared

    until(is_quiet, "compared once")
    change_image(client)
    reconciler.reconcile()
    assert {"Deployment quick-gateway-shop"} == set(compared)
    until(is_quiet, "compared once more")
    declared.gateways = [gateway(replicas=0, tag="9.9")]
    reconciler.reconcile()
    assert GATEWAY == set(compared)
    until(is_quiet, "compared with what is wanted now")
    wipe(client)
    settle(reconciler)
    assert GATEWAY == names(client)


# What is not ours.


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"app.kubernetes.io/managed-by": "quick"},
        {"quick/instance": "quick"},
        {"app.kubernetes.io/managed-by": "quick", "quick/instance": "other"},
        {"app.kubernetes.io/managed-by": "Helm", "quick/instance": "quick"},
    ],
)
def test_an_object_of_the_same_name_that_is_not_ours_is_a_conflict_and_stays(
    client: ApiClient, declared: Declared, labels: dict[str, str]
) -> None:
    metadata = {"labels": labels} if labels else {}
    client.apply(manifest(CONFIG_MAP, "quick-gateway-shop-config", metadata=metadata, data={"a": "1"}), "somebody")
    reconciler = declared.reconciler(client)
    outcome = reconciler.reconcile()
    ref = ObjectRef(CONFIG_MAP, "quick-gateway-shop-config")
    assert "conflict" == states(outcome)["ConfigMap quick-gateway-shop-config"]
    assert {"a": "1"} == found(client, ref)["data"]
    assert GATEWAY - {"ConfigMap quick-gateway-shop-config"} <= names(client), "the rest is made"
    declared.gateways.clear()
    reconciler.reconcile()
    assert {"a": "1"} == found(client, ref)["data"]


def test_an_object_with_our_labels_that_we_did_not_make_is_not_deleted(client: ApiClient, declared: Declared) -> None:
    labels = {"app.kubernetes.io/managed-by": "quick", "quick/instance": "quick"}
    copied = {**deployment("copied"), "metadata": {"name": "copied", "labels": labels}}
    client.apply(copied, "somebody")
    outcome = declared.reconciler(client).reconcile()
    assert "conflict" == states(outcome)["Deployment copied"]
    assert 1 == found(client, workload("copied", DEPLOYMENT))["spec"]["replicas"]


def test_two_instances_share_a_namespace(client: ApiClient, declared: Declared) -> None:
    settle(declared.reconciler(client))
    other = Declared(mirrors=[mirror("clicks")])
    settle(other.reconciler(client, instance="other"))
    settle(declared.reconciler(client))
    assert MIRROR | GATEWAY | APPLICATION == names(client)
    assert 3 == len(names(client, "other"))


def test_a_process_that_has_read_less_of_the_log_undoes_nothing(client: ApiClient, declared: Declared) -> None:
    declared.mirrors = [Row(28, 29, mirror(replicas=2).state)]
    settle(declared.reconciler(client))
    before = names(client)
    behind = Declared(position=20).reconciler(client)
    outcome = behind.reconcile()
    assert GATEWAY == before - names(client), "what was made from commands that were read"
    assert "waiting" == states(outcome)["StatefulSet quick-mirror-orders"]
    assert 2 == found(client, workload("quick-mirror-orders"))["spec"]["replicas"]


# Errors.


def test_a_refused_object_is_told_with_the_reason_and_the_others_are_made(
    client: ApiClient, declared: Declared
) -> None:
    settle(declared.reconciler(client))
    declared.gateways = [gateway(tag="9.9")]
    outcome = declared.reconciler(client, storage_size="9Gi").reconcile()
    (refused,) = outcome.of(State.FAILED)
    assert "StatefulSet" == refused.ref.kind.kind
    assert "(Invalid)" in refused.reason
    assert "updates to statefulset spec" in refused.reason
    assert "applied" == states(outcome)["Deployment quick-gateway-shop"]
    assert not outcome.is_settled


def test_an_api_server_that_is_away_is_told_and_all_goes_on_when_it_is_back(
    control_plane: ControlPlane, client: ApiClient, declared: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, applied = client.apply, []

    def cut_off(*given: Any, **options: Any) -> Any:
        if len(applied) == 2:
            control_plane.kill_api_server()
        applied.append(given)
        return apply(*given, **options)

    monkeypatch.setattr(client, "apply", cut_off)
    reconciler = declared.reconciler(client)
    try:
        outcome = reconciler.reconcile()
        assert ["applied"] * 2 + ["failed"] * 3 == [result.state.value for result in outcome.results]
        assert "cannot" in (outcome.unavailable or "")
        assert "cannot" in (reconciler.reconcile().unavailable or "")
    finally:
        control_plane.start_api_server()
    settle(reconciler)
    assert MIRROR | GATEWAY | APPLICATION == names(client)


def test_one_request_without_an_answer_does_not_end_the_round(
    client: ApiClient, declared: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = client.apply

    def failing_once(given: Manifest, *more: Any, **options: Any) -> Any:
        if given["kind"] == "ConfigMap":
            raise KubernetesUnavailableError("https://here", "apply", "a webhook failed")
        return apply(given, *more, **options)

    monkeypatch.setattr(client, "apply", failing_once)
    outcome = declared.reconciler(client).reconcile()
    assert ["ConfigMap"] == [result.ref.kind.kind for result in outcome.of(State.FAILED)]
    assert outcome.unavailable is None
    assert MIRROR | APPLICATION <= names(client)


def test_a_round_ends_between_two_effects_when_another_process_leads(client: ApiClient, declared: Declared) -> None:
    asked = []

    def leads() -> bool:
        asked.append(1)
        return len(asked) <= len(KINDS) + 2

    with pytest.raises(LeadershipLostError):
        declared.reconciler(client, leads).reconcile()
    assert 2 == len(names(client))


def test_two_reconcilers_at_once_make_everything_once(
    control_plane: ControlPlane, new_client: NewClient, client: ApiClient, declared: Declared
) -> None:
    outcomes: list[list[Outcome]] = []

    def work(one: ApiClient) -> None:
        outcomes.append(settle(declared.reconciler(one)))

    clients = [new_client(control_plane.kubeconfig) for _ in range(2)]
    threads = [threading.Thread(target=work, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 == len(outcomes)
    assert MIRROR | GATEWAY | APPLICATION == names(client)
    assert {"unchanged"} == set(states(declared.reconciler(client).reconcile()).values())


def test_rights_in_one_namespace_suffice(
    control_plane: ControlPlane, new_client: NewClient, client: ApiClient, declared: Declared
) -> None:
    account = new_client(control_plane.service_account(client.namespace, "manager", RULES))
    reconciler = declared.reconciler(account)
    declared.mirrors = [mirror(replicas=2)]
    settle(reconciler)
    change_image(client)
    settle(reconciler)
    declared.mirrors.clear()
    declared.applications.clear()
    declared.gateways.clear()
    settle(reconciler)
    assert set() == names(client)


def test_a_kind_that_may_not_be_listed_is_told_and_the_others_are_made(
    control_plane: ControlPlane, new_client: NewClient, client: ApiClient, declared: Declared
) -> None:
    rules = [{**rule, "resources": [name for name in rule["resources"] if name != "configmaps"]} for rule in RULES]
    account = new_client(control_plane.service_account(client.namespace, "manager", rules))
    outcome = declared.reconciler(account).reconcile()
    (problem,) = outcome.problems
    assert "list ConfigMap" in problem
    assert "Forbidden" in problem
    assert (MIRROR | GATEWAY | APPLICATION) - {"ConfigMap quick-gateway-shop-config"} == names(client)


def test_a_kind_that_is_not_installed_is_told_and_the_others_are_made(
    client: ApiClient, declared: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = declared.reconciler(client)
    resource = client._discovery.resource

    def without_traefik(kind: Kind) -> Any:
        return resource(Kind("traefik.io/v1", kind.kind) if kind.kind == "Middleware" else kind)

    monkeypatch.setattr(client._discovery, "resource", without_traefik)
    outcome = reconciler.reconcile()
    (failed,) = outcome.of(State.FAILED)
    assert ("Middleware", ()) == (failed.ref.kind.kind, outcome.problems)
    assert "the cluster does not know it" in failed.reason
    monkeypatch.undo()
    assert GATEWAY - {"Middleware quick-gateway-shop"} == names(client) - MIRROR - APPLICATION


# Many.


def test_two_hundred_mirrors_are_made_and_cost_a_few_requests_when_nothing_has_changed(
    client: ApiClient, requests: list[str]
) -> None:
    many = Declared(mirrors=[mirror(f"m{number}", replicas=0) for number in range(200)])  # Pods are not what counts.
    reconciler = many.reconciler(client)
    client.list(STATEFUL_SET)
    requests.clear()
    reconciler.reconcile()
    assert 600 == sum(asked.startswith("apply") for asked in requests)
    assert not [asked for asked in requests if asked.startswith("read")], "a list has said that it is not there"
    settle(reconciler)
    assert 600 == len(names(client))
    requests.clear()
    assert {"unchanged"} == set(states(reconciler.reconcile()).values())
    assert len(KINDS) == len(requests), requests


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_api_server_takes_every_object_as_it_is(client: ApiClient, path: Path) -> None:
    for one in yaml.safe_load_all(path.read_text()):
        one["metadata"]["namespace"] = client.namespace
        assert one["metadata"]["name"] == client.apply(one, dry_run=True)["metadata"]["name"]
