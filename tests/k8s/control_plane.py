"""A Kubernetes control plane on this machine: everything but the containers is real.

etcd, API server, controller manager and scheduler are Kubernetes' own. kwok plays the nodes that have the label
`quick.test/kubelet: simulated`: pods that come there run at once, those of Jobs succeed, volume claims get volumes
(`cluster/stages.yaml`). A node without the label is left to whoever plays its kubelet.

All listens on free ports of the loopback interface and lives in one folder:

    <program>.log                 what each program says
    etcd/                         the data
    kubernetes/                   the API server's own certificate, which is also the one to trust
    tokens.csv, *.key, *.pub      who may come in, and what service accounts' tokens are signed with
    <who>.kubeconfig              one for each user: admin (may do all), controller, scheduler, kwok, service accounts
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cli.child_process import Child, ChildSpec, how_it_ended
from cli.ports import LOOPBACK, free_port
from tests.k8s.cluster import programs
from tests.running import until

START_TIMEOUT_S = 120.0
"""Longest wait for one program to be ready: all together take seconds, unless the machine is very busy."""

TIMEOUT_S = 60.0
"""Longest wait for one answer of it, or for what it does by itself."""

_HERE = Path(__file__).parent / "cluster"
_ADMINISTRATORS = "system:masters"
_USERS = ("admin", "controller", "scheduler", "kwok")
_CONTROLLERS = (
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
)
_NODES = 3


def need_programs() -> None:
    """Skip the test that asks for a cluster when its programs are not built."""
    if programs.missing():
        # In CI, a test that does not run is one that nobody misses.
        pytest.fail(programs.NOT_BUILT) if os.environ.get("CI") else pytest.skip(programs.NOT_BUILT)


class _Ports(NamedTuple):
    etcd: int
    etcd_peer: int
    api_server: int
    kwok: int


class ControlPlane:
    """A cluster of one machine; entering it starts it, leaving it ends it and leaves nothing behind but its folder.

    The main thread must do both (see cli.child_process).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths = programs.find()
        self._ports = _Ports(free_port(), free_port(), free_port(), free_port())
        self._children: dict[str, Child] = {}
        self._tokens = {user: secrets.token_hex(16) for user in _USERS}
        self._http: httpx.Client | None = None

    @property
    def url(self) -> str:
        """Return the address of the API server; a restarted one has it too."""
        return f"https://{LOOPBACK}:{self._ports.api_server}"

    @property
    def certificate(self) -> Path:
        """Return the file with the certificate to trust."""
        return self.folder / "kubernetes" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """Return the file with which a client is the administrator."""
        return self._kubeconfig_of("admin")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all programs and wait until pods could run."""
        self._write_keys()
        self._start_etcd()
        self.start_api_server()
        self._start_controllers()
        self._fill()

    def stop(self) -> None:
        """End all programs, at once: nobody reads the data again."""
        for child in reversed(self._children.values()):
            child.kill()
        self._children.clear()
        if self._http is not None:
            self._http.close()
            self._http = None

    def start_api_server(self) -> None:
        """Start the API server on its port and the same data, and wait until it is ready."""
        self._start("kube-apiserver", *self._api_server_options())
        self._wait_until("kube-apiserver", self._api_server_is_ready)

    def kill_api_server(self) -> None:
        """End the API server as a power cut would."""
        self._children.pop("kube-apiserver").kill()

    def restart_api_server(self) -> None:
        """Kill the API server and start it again: connections and watches break, the objects stay."""
        self.kill_api_server()
        self.start_api_server()

    def freeze_api_server(self) -> None:
        """Let the API server answer nothing: connections are accepted and stay silent."""
        os.kill(self._children["kube-apiserver"].pid, signal.SIGSTOP)

    def thaw_api_server(self) -> None:
        """End what `freeze_api_server` has begun."""
        os.kill(self._children["kube-apiserver"].pid, signal.SIGCONT)

    def forget_history(self) -> None:
        """Let all but the present be forgotten, in etcd and in the API server, as happens after some minutes."""
        etcd = f"http://{LOOPBACK}:{self._ports.etcd}/v3/kv"
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
            now = http.post(f"{etcd}/range", json={"key": "Lw=="}).json()["header"]["revision"]
            http.post(f"{etcd}/compaction", json={"revision": now, "physical": True}).raise_for_status()
        self.restart_api_server()

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask as `ask` does for what Quick itself never does, and return what was answered; nothing is refused."""
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def change(self, path: str, fields: object) -> Any:
        """Change *fields* of an object (RFC 7396) in one step, whoever else writes it meanwhile, and return it."""
        answer = self._client().patch(path, json=fields, headers={"Content-Type": "application/merge-patch+json"})
        assert answer.is_success, f"PATCH {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the API server as the administrator and return its answer, whatever it is."""
        return self._client().request(method, path, json=body)

    def _client(self) -> httpx.Client:
        if self._http is None:
            self._http = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {self._tokens['admin']}"},
                verify=ssl.create_default_context(cafile=self.certificate),
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        return self._http

    def service_account(self, namespace: str, name: str, rules: list[dict[str, Any]] | None = None) -> Path:
        """Make a service account that may do in *namespace* what *rules* of a Role say, and return its kubeconfig.

        From then on it may: the API server hears of rights a moment after it has taken them.
        """
        metadata = {"name": name, "namespace": namespace}
        self.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": metadata})
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.request("POST", f"{rbac}/roles", {"metadata": metadata, "rules": rules or []})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
        self.request("POST", f"{rbac}/rolebindings", {"metadata": metadata, "roleRef": role, "subjects": subjects})
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
        for rule in rules or []:
            self.await_right(namespace, name, rule["apiGroups"][0], rule["resources"][0], rule["verbs"][0])
        return self._write_kubeconfig(f"{namespace}.{name}", token, namespace)

    def await_right(self, namespace: str, account: str, group: str, resource: str, verb: str) -> None:
        """Wait until a service account may do something in its namespace."""
        attributes = {"namespace": namespace, "group": group, "resource": resource, "verb": verb}
        spec = {"user": f"system:serviceaccount:{namespace}:{account}", "resourceAttributes": attributes}
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        until(lambda: bool(self.request("POST", reviews, {"spec": spec})["status"]["allowed"]), TIMEOUT_S)

    def simulated_nodes(self) -> list[str]:
        """Return the names of the nodes that kwok plays."""
        found = self.request("GET", "/api/v1/nodes?labelSelector=quick.test/kubelet=simulated")
        return [node["metadata"]["name"] for node in found["items"]]

    def log(self, program: str) -> Path:
        """Return the file with what *program* has said."""
        return self.folder / f"{program}.log"

    def _start(self, program: str, *options: str) -> None:
        self._children[program] = Child(
            ChildSpec(
                name=program,
                argv=(str(self._paths[program]), *options),
                env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
                cwd=self.folder,
                output=self.log(program),
            )
        )

    def _start_etcd(self) -> None:
        client, peer = (f"http://{LOOPBACK}:{port}" for port in (self._ports.etcd, self._ports.etcd_peer))
        self._start(
            "etcd",
            "--data-dir=etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        )
        self._wait_until("etcd", lambda: httpx.get(f"{client}/health", trust_env=False).is_success)

    def _api_server_options(self) -> tuple[str, ...]:
        return (
            f"--etcd-servers=http://{LOOPBACK}:{self._ports.etcd}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._ports.api_server}",
            "--cert-dir=kubernetes",
            "--authorization-mode=RBAC",
            "--token-auth-file=tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=service-accounts.pub",
            "--service-account-signing-key-file=service-accounts.key",
            "--service-cluster-ip-range=10.0.0.0/16",
            # Its taint would stay on every node: the controller that takes it away would mark simulated nodes as gone.
            "--disable-admission-plugins=TaintNodesByCondition",
        )

    def _api_server_is_ready(self) -> bool:
        return self.certificate.exists() and self.ask("GET", "/readyz").is_success

    def _start_controllers(self) -> None:
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self._kubeconfig_of('controller')}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--service-account-private-key-file=service-accounts.key",
            f"--root-ca-file={self.certificate}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        self._start(
            "kube-scheduler",
            f"--kubeconfig={self._kubeconfig_of('scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
            # After restarts of the API server it can miss that a volume was bound, and would look again in minutes.
            "--pod-max-in-unschedulable-pods-duration=1s",
        )
        self._start(
            "kwok",
            f"--kubeconfig={self._kubeconfig_of('kwok')}",
            f"--config={_HERE / 'stages.yaml'}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-label-selector=quick.test/kubelet=simulated",
            f"--server-address={LOOPBACK}:{self._ports.kwok}",
            f"--node-port={self._ports.kwok}",
            "--node-lease-duration-seconds=0",
        )

    def _fill(self) -> None:
        """Make what every test may rely on: nodes, a storage class, Traefik's Middleware."""
        for number in range(_NODES):
            name = f"simulated-{number}"
            labels = {"quick.test/kubelet": "simulated", "kubernetes.io/hostname": name}
            self.request("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        storage_class = {
            "metadata": {
                "name": "simulated",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "quick.test/simulated",
        }
        self.request("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class)
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.request("POST", crds, yaml.safe_load((_HERE / "middleware_crd.yaml").read_text()))
        self._wait_until("kube-apiserver", lambda: self.ask("GET", "/apis/traefik.io/v1alpha1").is_success)
        self._wait_until("kwok", lambda: all(map(_is_ready, self.request("GET", "/api/v1/nodes")["items"])))
        accounts = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait_until("kube-controller-manager", lambda: self.ask("GET", accounts).is_success)
        certificates = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
        self._wait_until("kube-controller-manager", lambda: self.ask("GET", certificates).is_success)

    def _wait_until(self, program: str, condition: Callable[[], bool]) -> None:
        """Wait for *condition*, which needs *program* to run; not being able to ask means not yet."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _holds(condition):
            exit_code = self._children[program].exit_code()
            assert exit_code is None, f"{program} ended with {how_it_ended(exit_code)}:\n{self._last_words(program)}"
            assert time.monotonic() < deadline, f"{program} is not ready in time:\n{self._last_words(program)}"
            time.sleep(0.05)

    def _last_words(self, program: str) -> str:
        return "\n".join(self.log(program).read_text(errors="replace").splitlines()[-20:])

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self.folder / "service-accounts.key").write_bytes(private)
        (self.folder / "service-accounts.pub").write_bytes(public)
        users = [f'{token},{user},{user},"{_ADMINISTRATORS}"' for user, token in self._tokens.items()]
        (self.folder / "tokens.csv").write_text("\n".join(users) + "\n")
        for user, token in self._tokens.items():
            self._write_kubeconfig(user, token, "default")

    def _kubeconfig_of(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    def _write_kubeconfig(self, user: str, token: str, namespace: str) -> Path:
        cluster = {"server": self.url, "certificate-authority": str(self.certificate)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
            "current-context": "test",
        }
        self._kubeconfig_of(user).write_text(json.dumps(config))  # JSON is YAML, too.
        return self._kubeconfig_of(user)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except httpx.TransportError:
        return False


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
