"""The process that reconciles, in a running instance: from a command to pods, and back to whoever asks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import SettingsError
from k8s.apply import ApiClient
from k8s.cluster import selector
from k8s.objects import ObjectRef
from k8s.settings import is_reconciled_here
from tests.k8s.control_plane import ControlPlane
from tests.k8s.manifests import DEPLOYMENT, manifest
from tests.k8s.reconciling import found
from tests.running import Running, until

SDL = "type Query { a: Int }"


@pytest.fixture
def in_kubernetes(
    control_plane: ControlPlane, namespace: str, kafka: str, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Running]:
    """Return a running instance that reconciles the test's namespace."""
    settings = {
        "QUICK_K8S": "true",
        "KUBECONFIG": str(control_plane.kubeconfig),
        "KUBERNETES_CLIENT_NAMESPACE": namespace,
        "QUICK_STATUS_TOPIC": f"status-{uuid.uuid4().hex}",
    }
    running = Running(kafka, tmp_path, free_port(), settings=settings)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def thing(http: httpx.Client, name: str) -> dict[str, object]:
    """Return what the manager tells of a thing, nothing if it does not."""
    things = http.get("/manager/status").raise_for_status().json()["things"]
    return next((one for one in things if one["name"] == name), {})


def test_a_command_becomes_pods_and_is_told_by_the_manager(
    in_kubernetes: Running, control_plane: ControlPlane, client: ApiClient
) -> None:
    deployment = ObjectRef(DEPLOYMENT, "quick-gateway-shop")
    with in_kubernetes.http() as http:
        body = {"name": "shop", "replicas": 2, "schema": SDL}
        position = int(http.post("/manager/gateway", json=body).raise_for_status().headers["Quick-Position"])
        until(lambda: thing(http, "shop").get("ready") == 2, 180)
        told = thing(http, "shop")
        assert ("gateway", position, "ok", 2) == (told["noun"], told["position"], told["state"], told["replicas"])
        assert found(client, deployment)["metadata"]["labels"]["quick/instance"].startswith("log-")

        client.apply(manifest(DEPLOYMENT, deployment.name, spec={"replicas": 5}), "stranger", force=True)
        until(lambda: bool(thing(http, "shop").get("drifts")))
        assert ".spec.replicas: 5 found by stranger, 2 wanted" in str(thing(http, "shop")["drifts"])
        until(lambda: found(client, deployment)["spec"]["replicas"] == 2)

        control_plane.kill_api_server()
        try:
            until(lambda: "Namespace" in http.get("/health").json().get("reason", ""), timeout_s=120)
            until(lambda: any("cannot" in problem for problem in http.get("/manager/status").json()["problems"]))
        finally:
            control_plane.start_api_server()
        until(lambda: http.get("/health").json() == {"status": "UP"}, timeout_s=120)

        http.delete("/manager/gateway/shop").raise_for_status()
        until(lambda: client.get(deployment) is None, 120)
        until(lambda: thing(http, "shop") == {})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"QUICK_K8S": "true"}, True),
        ({"QUICK_K8S": "False", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
        ({"QUICK_K8S": "auto"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        ({"QUICK_K8S": "AUTO", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
    ],
)
def test_the_cluster_is_reconciled_where_a_setting_or_the_pod_says_so(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, expected: bool
) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    monkeypatch.setattr("k8s.settings._POD_TOKEN", token)
    assert expected == is_reconciled_here(environ)
    monkeypatch.setattr("k8s.settings._POD_TOKEN", tmp_path / "nothing")
    assert (expected and environ.get("QUICK_K8S") == "true") == is_reconciled_here(environ)


def test_a_switch_that_is_neither_on_nor_off_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match=r"QUICK_K8S.*or auto"):
        is_reconciled_here({"QUICK_K8S": "maybe"})


def test_a_selector_names_manager_and_instance() -> None:
    assert "app.kubernetes.io/managed-by=quick,quick/instance=i" == selector("i")
