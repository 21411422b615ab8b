from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import KubernetesRefusedError
from k8s.apply import ApiClient
from k8s.objects import Kind, ObjectRef
from tests.k8s.control_plane import ControlPlane
from tests.k8s.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    MIDDLEWARE,
    POD,
    STATEFUL_SET,
    VOLUME_CLAIM,
    deployment,
    job,
    manifest,
    stateful_set,
)
from tests.running import until


def status(client: ApiClient, kind: Kind, name: str) -> dict[str, Any]:
    found = client.get(ObjectRef(kind, name))
    assert found is not None
    held: dict[str, Any] = found["status"]
    return held


def phases(client: ApiClient, name: str) -> list[str]:
    return [pod["status"]["phase"] for pod in client.list(POD, f"app={name}").objects]


def test_pods_of_a_deployment_run_on_simulated_nodes(client: ApiClient) -> None:
    client.apply(deployment("web", replicas=3))
    until(lambda: status(client, DEPLOYMENT, "web").get("readyReplicas") == 3)
    pods = client.list(POD, "app=web").objects
    assert ["Running"] * 3 == phases(client, "web")
    assert all(pod["spec"]["nodeName"].startswith("simulated-") and pod["status"]["podIP"] for pod in pods)


def test_a_pod_that_shall_not_get_ready_keeps_a_rollout_waiting(client: ApiClient) -> None:
    client.apply(deployment("web"))
    until(lambda: status(client, DEPLOYMENT, "web").get("readyReplicas") == 1)
    client.apply(deployment("web", **{"quick.test/unready": "true"}))
    until(lambda: len(phases(client, "web")) == 2)
    client.apply(deployment("later"))
    until(lambda: phases(client, "later") == ["Running"])
    assert ["Pending", "Running"] == sorted(phases(client, "web"))
    assert 1 == status(client, DEPLOYMENT, "web")["readyReplicas"]


def test_a_job_succeeds_and_one_that_shall_fail_fails(client: ApiClient) -> None:
    client.apply(job("good"))
    client.apply(job("bad", **{"quick.test/fails": "true"}))
    until(lambda: status(client, JOB, "good").get("succeeded") == 1)
    until(lambda: status(client, JOB, "bad").get("failed") == 1)


def test_a_stateful_set_gets_a_volume_for_each_pod(client: ApiClient) -> None:
    client.apply(stateful_set("store", replicas=2))
    until(lambda: status(client, STATEFUL_SET, "store").get("readyReplicas") == 2, 180)
    claims = client.list(VOLUME_CLAIM).objects
    assert {"data-store-0": "Bound", "data-store-1": "Bound"} == {
        claim["metadata"]["name"]: claim["status"]["phase"] for claim in claims
    }


def test_what_a_deleted_object_owns_goes_too(client: ApiClient) -> None:
    client.apply(deployment("web"))
    until(lambda: phases(client, "web") == ["Running"])
    client.delete(ObjectRef(DEPLOYMENT, "web"))
    until(lambda: phases(client, "web") == [])


def test_a_middleware_of_traefik_can_be_applied(client: ApiClient) -> None:
    spec = {"stripPrefix": {"prefixes": ["/gateway/a"]}}
    client.apply(manifest(MIDDLEWARE, "strip", spec=spec))
    found = client.get(ObjectRef(MIDDLEWARE, "strip"))
    assert found is not None
    assert spec == found["spec"]


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    control_plane: ControlPlane, namespace: str, new_client: Callable[..., ApiClient]
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch"]}]
    account = new_client(control_plane.service_account(namespace, "reconciler", rules))
    account.apply(manifest(CONFIG_MAP, "mine", data={"a": "b"}))
    with pytest.raises(KubernetesRefusedError) as refused:
        account.delete(ObjectRef(CONFIG_MAP, "mine"))
    assert (403, "Forbidden") == (refused.value.code, refused.value.reason)
    with pytest.raises(KubernetesRefusedError, match="RoleBinding"):
        account.list(CONFIG_MAP, namespace="default")


def test_a_restarted_api_server_has_its_address_and_its_objects(control_plane: ControlPlane, client: ApiClient) -> None:
    url = control_plane.url
    client.apply(manifest(CONFIG_MAP, "kept", data={"a": "b"}))
    control_plane.restart_api_server()
    assert url == control_plane.url
    found = client.get(ObjectRef(CONFIG_MAP, "kept"))
    assert found is not None
    assert {"a": "b"} == found["data"]
    client.apply(deployment("after"))
    until(lambda: phases(client, "after") == ["Running"], 180)


def test_nothing_outlives_the_process_that_started_it(tmp_path: Path, control_plane: ControlPlane) -> None:
    program = (
        "import sys, pathlib; from tests.k8s.control_plane import ControlPlane\n"
        "with ControlPlane(pathlib.Path(sys.argv[1])): print('started', flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert b"started\n" == owner.stdout.readline()
        children = psutil.Process(owner.pid).children()
        assert 5 == len(children)
        owner.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert (5, []) == (len(gone), alive)
