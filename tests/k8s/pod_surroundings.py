"""What the process of a pod finds around it: its program, arguments, variables and folders.

It is all resolved from the pod and from the objects that it names, as a kubelet does it. A process that shares the
files, the network and the name servers of this machine is told some things otherwise than one in a container:

- A pod's address is one of its own in 127.0.0.0/8, so that ports keep their numbers; `0.0.0.0`, all addresses of the
  pod, is that address.
- A volume is a folder of this machine. A variable that holds a path in the volume holds the path in the folder;
  `TMPDIR` is the folder mounted at `/tmp`.
- What the cluster's name server would answer for the pod's own name is in the variables instead of the name.
- The token of its service account is announced by `KUBECONFIG`, and `QUICK_K8S`: in a container it is at a path that
  is fixed in Kubernetes' client.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.k8s.control_plane import ControlPlane

_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_ANY_ADDRESS: Final = re.compile(r"(?<![0-9.])0\.0\.0\.0(?![0-9.])")
_NAME_IN_CLUSTER: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\.svc\b(?:\.cluster\.local\b)?")


class NotThereYetError(Exception):
    """Something that the pod names is not there: the kubelet tries again."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a process is started with."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod that is to be started."""

    control_plane: ControlPlane
    live: Mapping[str, Any]
    """As the API server has it."""
    address: str
    folder: Path
    """For what goes with the pod."""
    claims: Path
    """Folder with a subfolder for each volume claim, which outlives the pod."""

    @property
    def namespace(self) -> str:
        return str(self.live["metadata"]["namespace"])

    @property
    def container(self) -> Mapping[str, Any]:
        """Return its only container: Quick's pods have no more."""
        (only,) = self.live["spec"]["containers"]
        return dict(only)

    def surroundings(self, path: str) -> Surroundings:
        """Return what its process is to be started with.

        Args:
            path: Where its image has its programs.

        Raises:
            NotThereYetError: A ConfigMap, Secret, Service or claim is missing.
        """
        mounts = self._mounts()
        env = {name: self._localized(value, mounts) for name, value in self._variables().items()}
        env |= {"PATH": f"{path}:{os.environ['PATH']}", **self._service_of_kubernetes()}
        if "/tmp" in mounts:
            env["TMPDIR"] = str(mounts["/tmp"])
        if _ACCOUNT in mounts:
            env |= {"KUBECONFIG": str(self._kubeconfig(mounts[_ACCOUNT])), "QUICK_K8S": "true"}
        words = (*self.container["command"], *self.container.get("args", ()))
        argv = tuple(self._localized(_expanded(word, env), {}) for word in words)
        return Surroundings(argv=argv, env=env)

    def _service_of_kubernetes(self) -> dict[str, str]:
        url = urlsplit(self.control_plane.url)
        return {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}

    def _variables(self) -> dict[str, str]:
        env: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            if "configMapRef" in source:
                env |= self._object("configmaps", source["configMapRef"]["name"])["data"]
            else:
                env |= self._secret(source["secretRef"]["name"])
        for entry in self.container.get("env", ()):
            value = self._value_from(entry["valueFrom"]) if "valueFrom" in entry else entry.get("value", "")
            env[entry["name"]] = value if "valueFrom" in entry else _expanded(value, env)
        return env

    def _value_from(self, source: Mapping[str, Any]) -> str:
        match source:
            case {"fieldRef": {"fieldPath": path}}:
                return self._field(path)
            case {"secretKeyRef": {"name": name, "key": key}}:
                return self._secret(name)[key]
            case {"configMapKeyRef": {"name": name, "key": key}}:
                return str(self._object("configmaps", name)["data"][key])
        raise AssertionError(f"the tests' kubelet does not know {source}")

    def _field(self, path: str) -> str:
        metadata = self.live["metadata"]
        if found := re.fullmatch(r"metadata\.(annotations|labels)\['(.+)'\]", path):
            return str(metadata.get(found[1], {}).get(found[2], ""))
        fields = {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata["namespace"],
            "metadata.uid": metadata["uid"],
            "spec.nodeName": self.live["spec"]["nodeName"],
            "status.podIP": self.address,
        }
        return str(fields[path])

    def _object(self, kind: str, name: str) -> dict[str, Any]:
        answer = self.control_plane.ask("GET", f"/api/v1/namespaces/{self.namespace}/{kind}/{name}")
        if answer.status_code == 404:
            raise NotThereYetError(f"{kind} {name} is not there")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def _secret(self, name: str) -> dict[str, str]:
        data = self._object("secrets", name).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def _mounts(self) -> dict[str, Path]:
        """Return the folder that stands for each path where a volume is mounted."""
        volumes = {volume["name"]: self._volume(volume) for volume in self.live["spec"].get("volumes", ())}
        return {mount["mountPath"]: volumes[mount["name"]] for mount in self.container.get("volumeMounts", ())}

    def _volume(self, volume: Mapping[str, Any]) -> Path:
        if claim := volume.get("persistentVolumeClaim"):
            uid = self._object("persistentvolumeclaims", claim["claimName"])["metadata"]["uid"]
            folder = self.claims / f"{claim['claimName']}-{uid}"
        else:
            folder = self.folder / "volumes" / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._files(volume).items():
            (folder / name).write_text(text)
        return folder

    def _files(self, volume: Mapping[str, Any]) -> dict[str, str]:
        """Return what is in a volume from its beginning on."""
        if source := volume.get("configMap"):
            return dict(self._object("configmaps", source["name"]).get("data", {}))
        if source := volume.get("secret"):
            return self._secret(source["secretName"])
        files: dict[str, str] = {}
        for source in volume.get("projected", {}).get("sources", ()):
            match source:
                case {"serviceAccountToken": {"path": path}}:
                    files[path] = self._token()
                case {"configMap": {"name": name, "items": items}}:
                    data = self._object("configmaps", name)["data"]
                    files |= {item["path"]: data[item["key"]] for item in items}
                case {"downwardAPI": {"items": items}}:
                    files |= {item["path"]: self._field(item["fieldRef"]["fieldPath"]) for item in items}
                case _:
                    raise AssertionError(f"the tests' kubelet does not know {source}")
        return files

    def _token(self) -> str:
        metadata = self.live["metadata"]
        bound_to = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        account = self.live["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        spec = {"expirationSeconds": 3600, "boundObjectRef": bound_to}
        answer = self.control_plane.ask("POST", path, {"spec": spec})
        return str(answer.raise_for_status().json()["status"]["token"])

    def _kubeconfig(self, account: Path) -> Path:
        """Return a file that says what the service account's folder does."""
        cluster = {"server": self.control_plane.url, "certificate-authority": str(account / "ca.crt")}
        context = {"cluster": "pod", "user": "pod", "namespace": (account / "namespace").read_text()}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "pod", "cluster": cluster}],
            "users": [{"name": "pod", "user": {"tokenFile": str(account / "token")}}],
            "contexts": [{"name": "pod", "context": context}],
            "current-context": "pod",
        }
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(config))  # JSON is YAML, too.
        return path

    def _localized(self, text: str, mounts: Mapping[str, Path]) -> str:
        """Return *text* as it is true for a process outside of a container."""
        text = _ANY_ADDRESS.sub(self.address, text)
        text = _NAME_IN_CLUSTER.sub(lambda found: self._resolved(found[0]), text)
        for path, folder in mounts.items():
            if text == path or text.startswith(f"{path}/"):
                return f"{folder}{text.removeprefix(path)}"
        return text

    def _resolved(self, name: str) -> str:
        """Return the pod's address for its own *name*, if a name server would; any other name as it is."""
        spec, labels = self.live["spec"], self.live["metadata"]["labels"]
        host, service, namespace, *_ = name.split(".")
        if (spec.get("hostname"), spec.get("subdomain"), self.namespace) != (host, service, namespace):
            return name
        found = self._object("services", service)["spec"]
        is_known = found["clusterIP"] == "None" and found["selector"].items() <= labels.items()
        return self.address if is_known and found.get("publishNotReadyAddresses") else name


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """Return *text* with the variables in it that are known so far, each as `$(NAME)`; `$$` is one `$`."""
    return _REFERENCE.sub(lambda found: "$" if found[1] is None else env.get(found[1], found[0]), text)
