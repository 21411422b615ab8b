"""Quick as an operator installs it: the chart, in a namespace of its own, with pods that run."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.k8s.control_plane import ControlPlane
from tests.k8s.helm import program
from tests.k8s.kubelet import Kubelet
from tests.running import QUICK, until

CHART = Path(__file__).parents[2] / "k8s" / "chart"
RELEASE = "quick"

TIMEOUT_S = 400.0
"""Longest wait for one thing: on two idle cores, rolling everything takes 15 s."""

ROUTES_LAG_S = 1.0
"""How long requests may still go to a pod that is being deleted: proxies hear of it later than the pod itself."""


class Installed:
    """One release, and its clients, who find pods by their Services as the cluster's network would."""

    def __init__(self, control_plane: ControlPlane, kubelet: Kubelet, folder: Path, values: Mapping[str, Any]) -> None:
        self.namespace = f"quick-{uuid.uuid4().hex[:12]}"
        self._control_plane = control_plane
        self._kubelet = kubelet
        self._folder = folder
        self._values = dict(values)
        self._manager = ""
        self._routes: dict[str, tuple[float, str]] = {}
        # A new connection for each request, as from many clients.
        self._http = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def close(self) -> None:
        """Close the connections of the clients, and let the namespace be deleted; nobody waits for that."""
        self._http.close()
        self._control_plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def install(self) -> None:
        """Install the chart, and wait until all of its pods are ready."""
        self._control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self._helm("install", *self._given())
        self.await_deployments()

    def upgrade(self, **settings: str) -> None:
        """Change settings of the release, as `quickConfig` has them."""
        self._values["quickConfig"] = {**self._values["quickConfig"], **settings}
        self._helm("upgrade", *self._given())

    def _given(self) -> tuple[str, ...]:
        values = self._folder / "values.json"
        values.write_text(json.dumps(self._values))  # JSON is YAML, too.
        return (RELEASE, str(CHART), f"--values={values}")

    def _helm(self, *arguments: str) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._control_plane.kubeconfig),
        }
        command = [str(program.path()), *arguments, "--namespace", self.namespace]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert 0 == done.returncode, done.stderr

    def get(self, kind: str, name: str = "") -> Any:
        """Return an object, or the list of a *kind*, which is a path such as `apis/apps/v1/deployments`."""
        group, _, plural = kind.rpartition("/")
        path = f"/{group}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")
        answer = self._control_plane.ask("GET", path)
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def workloads(self) -> list[str]:
        """Return the names of all Deployments and StatefulSets."""
        kinds = ("apis/apps/v1/deployments", "apis/apps/v1/statefulsets")
        return [one["metadata"]["name"] for kind in kinds for one in self.get(kind)["items"]]

    def pods(self, name: str) -> list[Any]:
        """Return the pods of the workload *name* that nobody has deleted, by their names."""
        selector = f"labelSelector=app.kubernetes.io/name={name}"
        path = f"/api/v1/namespaces/{self.namespace}/pods?{selector}"
        found = self._control_plane.request("GET", path)["items"]
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(alive, key=lambda pod: str(pod["metadata"]["name"]))

    def ready(self, name: str) -> list[Any]:
        """Return those of them that are ready."""
        return [pod for pod in self.pods(name) if is_ready(pod)]

    def delete_pod(self, name: str, grace_s: int | None) -> None:
        """Delete a pod; its process has the time that the pod wants, or only *grace_s*."""
        options = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        self._control_plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{name}", options)

    def await_pods(self, name: str, count: int) -> None:
        """Wait until a workload has so many ready pods, and no other ones."""
        self.until(lambda: len(self.ready(name)) == len(self.pods(name)) == count)

    def await_deployments(self) -> None:
        """Wait until all replicas of all Deployments are of the newest template, and ready."""
        self.until(lambda: all(_is_complete(one) for one in self.get("apis/apps/v1/deployments")["items"]))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for *condition*; what the pods have said is told where it does not come true."""
        try:
            until(condition, TIMEOUT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._kubelet.said()}") from error

    def url(self, service: str) -> str:
        """Return the address of a pod behind a Service that was ready a moment ago: a cluster's routes are that old."""
        looked_at, url = self._routes.get(service, (0.0, ""))
        if time.monotonic() - looked_at > ROUTES_LAG_S:
            url = self._url_now(service)
            self._routes[service] = (time.monotonic(), url)
        return url

    def _url_now(self, service: str) -> str:
        spec = self.get("api/v1/services", service)["spec"]
        ready = self.ready(spec["selector"]["app.kubernetes.io/name"])
        assert ready, f"no pod of {service} is ready"
        pod = ready[0]
        (container,) = pod["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        return f"http://{pod['status']['podIP']}:{ports[spec['ports'][0]['targetPort']]}"

    @cached_property
    def key(self) -> str:
        """Return the administrator's key, as the chart's notes say."""
        data = self.get("api/v1/secrets", "api-key-secret")["data"]
        return base64.b64decode(data["QUICK_APIKEY"]).decode()

    def quick(self, *arguments: str, stdin: str | None = None) -> str:
        """Run the CLI against the manager and return what it said."""
        url = self._url_now("quick-manager")
        if url != self._manager:
            self._manager = url
            self._cli("context", "create", "--context", "pods", "--host", url, "--key", self.key)
            self._cli("context", "activate", "pods")
        return self._cli(*arguments, stdin=stdin)

    def _cli(self, *arguments: str, stdin: str | None = None) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "QUICK_CONFIG": str(self._folder / "quick.conf")}
        done = subprocess.run(
            [QUICK, *arguments],
            env=env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        assert 0 == done.returncode, f"{done.stdout}\n{self._kubelet.said()}"
        return done.stdout

    def ask(self, service: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"X-API-Key": self.key, **more.pop("headers", {})}
        url = f"{self.url(service)}{path}"
        return self._http.request(method, url, headers=headers, **more)

    def ingest(self, topic: str, body: object) -> str:
        """Write, and return the position."""
        answer = self.ask("quick-ingest", "POST", f"/ingest/{topic}", json=body)
        assert 200 == answer.status_code, answer.text
        return str(answer.json()["position"])

    def data(self, gateway: str, query: str, **headers: str) -> Any:
        """Return what a gateway answers without errors."""
        answer = self.ask(f"quick-gateway-{gateway}", "POST", "/graphql", json={"query": query}, headers=headers)
        body = answer.json()
        assert "errors" not in body, body
        return body["data"]


def is_ready(pod: Any) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


def _is_complete(deployment: Any) -> bool:
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == {wanted}


@contextmanager
def installed(control_plane: ControlPlane, folder: Path, values: Mapping[str, Any]) -> Iterator[Installed]:
    """Install the chart with *values*, on a node that runs the image `quick` as this project's program."""
    program.need()
    with Kubelet(control_plane, folder, {"quick": QUICK.parent}) as kubelet:
        release = Installed(control_plane, kubelet, folder, values)
        try:
            release.install()
            yield release
        finally:
            release.close()
