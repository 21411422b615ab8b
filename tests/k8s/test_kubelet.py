"""The tests' kubelet, with pods of a few lines: what Quick's pods rely on in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s.apply import ApiClient
from k8s.objects import Kind, ObjectRef
from tests.k8s.control_plane import ControlPlane
from tests.k8s.kubelet import Kubelet
from tests.k8s.manifests import CONFIG_MAP, JOB, POD, manifest
from tests.running import until

SECRET = Kind("v1", "Secret")
SERVICE = Kind("v1", "Service")

TELL = """
import json, os, pathlib, sys

pathlib.Path(os.environ["OUT"], "told").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
"""
SERVE = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists(os.environ["OUT"] + self.path) else 503)
        self.end_headers()

http.server.HTTPServer((sys.argv[1], 8080), Handler).serve_forever()
"""
DEAF = """
import signal, threading

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
threading.Event().wait()
"""
SECOND_TIME = """
import os, sys

path = os.environ["OUT"] + "/seen"
if not os.path.exists(path):
    open(path, "w").close()
    sys.exit(1)
"""


@pytest.fixture
def folder(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a running kubelet, whose image `python` has the program of that name."""
    with Kubelet(control_plane, tmp_path, {"python": Path(sys.executable).parent}):
        yield tmp_path


@pytest.fixture
def start(client: ApiClient, folder: Path) -> Callable[..., ObjectRef]:
    """Return a function that makes a pod from the parts of its container and of its spec."""
    # No pod is taken before its namespace has that.
    until(lambda: client.get(ObjectRef(Kind("v1", "ServiceAccount"), "default")) is not None, 180)
    # And none is started without that.
    until(lambda: client.get(ObjectRef(CONFIG_MAP, "kube-root-ca.crt")) is not None, 180)

    def make(name: str, code: str, *args: str, spec: dict[str, Any] | None = None, **container: Any) -> ObjectRef:
        container = {
            "name": "main",
            "image": "python:3",
            "command": ["python", "-c", code],
            "args": list(args),
            "volumeMounts": [{"name": "out", "mountPath": "/out"}],
            **container,
        }
        container["env"] = [{"name": "OUT", "value": "/out"}, *container.get("env", [])]
        whole = {"containers": [container], "volumes": [{"name": "out", "emptyDir": {}}], **(spec or {})}
        metadata = {"labels": {"app": name}}
        made = client.apply(manifest(POD, name, metadata=metadata, spec=whole))
        return ObjectRef.of(made)

    return make


@pytest.fixture
def status(client: ApiClient) -> Callable[[ObjectRef], dict[str, Any]]:
    """Return a function that tells the status of a pod's only container, and the pod's phase."""

    def of(pod: ObjectRef) -> dict[str, Any]:
        live = client.get(pod)
        assert live is not None
        (container,) = live["status"].get("containerStatuses", [{}])
        return {"phase": live["status"].get("phase"), "ip": live["status"].get("podIP"), **container}

    return of


def out(folder: Path, name: str) -> Path:
    """Return the folder that is mounted at `/out` in a pod."""
    (found,) = folder.glob(f"pods/{name}-*/volumes/out")
    return found


def said(folder: Path, name: str) -> str:
    """Return what a pod and its kubelet have said, nothing before it is started."""
    return "".join(log.read_text() for log in folder.glob(f"pods/{name}-*/log"))


def test_a_process_finds_what_its_pod_says(
    client: ApiClient,
    folder: Path,
    start: Callable[..., ObjectRef],
    status: Callable[[ObjectRef], dict[str, Any]],
) -> None:
    client.apply(manifest(CONFIG_MAP, "config", data={"FROM_CONFIG": "a", "OVERRIDDEN": "config"}))
    client.apply(manifest(SECRET, "secret", stringData={"FROM_SECRET": "s"}))
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "teller"}}
    client.apply(manifest(SERVICE, "tellers", spec=headless))
    env = [
        {"name": "OVERRIDDEN", "value": "pod"},
        {"name": "SELF", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NAME", "value": f"$(SELF).tellers.{client.namespace}.svc:8080"},
        {"name": "OTHER", "value": f"other.tellers.{client.namespace}.svc $(NOBODY) $$(SELF)"},
    ]
    sources = [{"configMapRef": {"name": "config"}}, {"secretRef": {"name": "secret"}}]
    spec = {"hostname": "teller", "subdomain": "tellers", "restartPolicy": "Never"}
    pod = start("teller", TELL, "--host=0.0.0.0", "$(SELF)", spec=spec, env=env, envFrom=sources)
    until(lambda: status(pod)["phase"] == "Succeeded")
    address = status(pod)["ip"]
    args, found = json.loads((out(folder, "teller") / "told").read_text())
    assert [f"--host={address}", "teller"] == args
    expected = {
        "FROM_CONFIG": "a",
        "FROM_SECRET": "s",
        "OVERRIDDEN": "pod",
        "SELF": "teller",
        "ADDRESS": address,
        "NAME": f"{address}:8080",
        "OTHER": f"other.tellers.{client.namespace}.svc $(NOBODY) $(SELF)",
        "OUT": str(out(folder, "teller")),
    }
    assert expected == {name: found.get(name) for name in expected}
    assert "QUICK_K8S" in found
    assert Path(found["KUBECONFIG"]).exists()


def test_what_is_missing_is_waited_for(
    client: ApiClient, start: Callable[..., ObjectRef], status: Callable[[ObjectRef], dict[str, Any]]
) -> None:
    pod = start("early", "", spec={"restartPolicy": "Never"}, envFrom=[{"configMapRef": {"name": "late"}}])
    until(lambda: status(pod).get("state") == {"waiting": {"reason": "CreateContainerConfigError"}})
    client.apply(manifest(CONFIG_MAP, "late", data={"A": "b"}))
    until(lambda: status(pod)["phase"] == "Succeeded")
    unknown = start("unknown", "", image="nowhere:1")
    until(lambda: status(unknown).get("state") == {"waiting": {"reason": "ErrImagePull"}})


def test_probes_say_when_a_pod_is_started_and_ready_and_when_it_is_started_again(
    folder: Path, start: Callable[..., ObjectRef], status: Callable[[ObjectRef], dict[str, Any]]
) -> None:
    probes = {
        f"{name}Probe": {
            "httpGet": {"path": f"/{name}", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 60,
            "failureThreshold": many,
        }
        for name, many in (("startup", 1000), ("readiness", 1), ("liveness", 1))
    }
    ports = [{"name": "http", "containerPort": 8080}]
    pod = start("probed", SERVE, "0.0.0.0", ports=ports, **probes)
    until(lambda: status(pod)["phase"] == "Running")
    assert (False, False) == (status(pod)["started"], status(pod)["ready"])
    files = {name: out(folder, "probed") / name for name in ("startup", "readiness", "liveness")}
    files["liveness"].touch()
    files["startup"].touch()
    until(lambda: status(pod)["started"])
    assert not status(pod)["ready"]
    files["readiness"].touch()
    until(lambda: status(pod)["ready"])
    files["readiness"].unlink()
    until(lambda: not status(pod)["ready"])
    files["readiness"].touch()
    files["liveness"].unlink()
    until(lambda: status(pod)["restartCount"] >= 1)
    files["liveness"].touch()
    until(lambda: status(pod)["ready"])
    assert "its liveness probe failed" in said(folder, "probed")


def test_a_pod_of_a_job_runs_until_it_succeeds(client: ApiClient, folder: Path) -> None:
    container = {
        "name": "main",
        "image": "python:3",
        "command": ["python", "-c", SECOND_TIME],
        "env": [{"name": "OUT", "value": "/out"}],
        "volumeMounts": [{"name": "out", "mountPath": "/out"}],
    }
    pod = {"restartPolicy": "OnFailure", "containers": [container], "volumes": [{"name": "out", "emptyDir": {}}]}
    client.apply(manifest(JOB, "tries", spec={"template": {"spec": pod}}))

    def succeeded() -> int:
        live = client.get(ObjectRef(JOB, "tries"))
        assert live is not None
        return int(live["status"].get("succeeded", 0))

    until(lambda: succeeded() == 1)
    assert "the container ended with exit code 1" in said(folder, "tries")


def test_a_deleted_pod_gets_its_grace_period_and_no_more(
    client: ApiClient, folder: Path, start: Callable[..., ObjectRef]
) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo before"]}}}
    pod = start("deaf", DEAF, spec={"terminationGracePeriodSeconds": 5}, lifecycle=hook)
    until(lambda: "deaf" in said(folder, "deaf"))
    client.delete(pod)
    until(lambda: client.get(pod) is None)
    lines = said(folder, "deaf").splitlines()
    ended = ["kubelet: killed: its grace period is over", "kubelet: deleted; the container ended with signal 9"]
    assert ["deaf", "before", *ended] == lines


def test_a_pod_that_vanished_leaves_no_process(
    client: ApiClient, control_plane: ControlPlane, folder: Path, start: Callable[..., ObjectRef]
) -> None:
    start("vanishing", "import os; print(os.getpid(), flush=True); os.execvp('sleep', ['sleep', '1000'])")
    until(lambda: said(folder, "vanishing") != "")
    pid = int(said(folder, "vanishing").split()[0])
    path = f"/api/v1/namespaces/{client.namespace}/pods/vanishing"
    control_plane.request("DELETE", path, {"gracePeriodSeconds": 0})
    until(lambda: not Path(f"/proc/{pid}").exists())
