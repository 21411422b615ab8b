"""The chart installed in a real cluster: what Helm makes of it there, and what the manager's account may do."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from core.errors import KubernetesRefusedError
from k8s.apply import ApiClient
from k8s.objects import Kind, ObjectRef
from tests.k8s.control_plane import ControlPlane
from tests.k8s.helm import program

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "k8s" / "chart"
GOLDEN = sorted((HERE / "chart_golden").iterdir())
SECRET = Kind("v1", "Secret")
KAFKA = "--set=kafka.bootstrapServer=kafka:9092"


@pytest.fixture
def helm(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return a function that runs Helm in the test's namespace, which goes without the chart afterwards."""
    program.need()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(control_plane.kubeconfig)}

    def run(*arguments: str) -> str:
        command = [program.path(), *arguments, "--namespace", namespace]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    yield run
    run("uninstall", "quick", "--ignore-not-found")


def key(client: ApiClient) -> str:
    secret = client.get(ObjectRef(SECRET, "api-key-secret"))
    assert secret is not None
    return base64.b64decode(secret["data"]["QUICK_APIKEY"]).decode()


@pytest.fixture
def manager(
    control_plane: ControlPlane, namespace: str, helm: Callable[..., str], new_client: Callable[..., ApiClient]
) -> ApiClient:
    """Return a client with the token that the manager's pod has."""
    helm("install", "quick", str(CHART), KAFKA)
    account = "quick-manager-service-account"
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    token = control_plane.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    control_plane.await_right(namespace, account, "apps", "deployments", "patch")
    return new_client(control_plane._write_kubeconfig(f"{namespace}.manager", token, namespace))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_api_server_takes_all_objects_of_the_chart(client: ApiClient, path: Path) -> None:
    for made in yaml.safe_load_all(path.read_text(encoding="utf-8").replace("<random>", "")):
        made["metadata"]["namespace"] = client.namespace
        for subject in made.get("subjects", []):
            subject["namespace"] = client.namespace
        assert made["metadata"]["name"] == client.apply(made, dry_run=True)["metadata"]["name"]


def test_an_upgrade_keeps_the_key_that_was_made_until_another_one_is_given(
    helm: Callable[..., str], client: ApiClient
) -> None:
    said = helm("install", "quick", str(CHART), KAFKA)
    assert "which was made for you" in said
    made = key(client)
    assert 43 == len(made)
    helm("upgrade", "quick", str(CHART), KAFKA, "--set=ingest.replicaCount=2")
    assert made == key(client)
    helm("upgrade", "quick", str(CHART), KAFKA, "--set=apiKey=mine")
    assert "mine" == key(client)


def test_the_manager_may_make_and_remove_what_is_declared(manager: ApiClient) -> None:
    applied = {}
    for path in sorted((HERE / "golden").iterdir()):
        for made in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            made["metadata"]["namespace"] = manager.namespace
            manager.apply(made, dry_run=True)
            applied[ObjectRef.of(made).kind] = made
    for kind, made in applied.items():
        manager.apply(made)
        assert made["metadata"]["name"] in {one["metadata"]["name"] for one in manager.list(kind).objects}
        assert manager.delete(ObjectRef.of(made))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SECRET, "api-key-secret"),
        (Kind("v1", "ServiceAccount"), "default"),
        (Kind("rbac.authorization.k8s.io/v1", "Role"), "quick-manager-admin"),
        (Kind("v1", "Node"), "any"),
    ],
)
def test_the_manager_may_not_read_what_is_none_of_its_business(manager: ApiClient, kind: Kind, name: str) -> None:
    with pytest.raises(KubernetesRefusedError, match="forbidden"):
        manager.get(ObjectRef(kind, name))


def test_the_manager_may_do_nothing_in_other_namespaces(manager: ApiClient) -> None:
    with pytest.raises(KubernetesRefusedError, match="forbidden"):
        manager.list(Kind("apps/v1", "Deployment"), namespace="default")
