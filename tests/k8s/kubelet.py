"""A kubelet that runs pods as processes of this machine, where there is no container runtime.

It is a node of the tests' cluster and does what a node does: it looks at the pods that the scheduler gives to it,
starts what they describe, asks their probes, writes their status, starts again what has ended, and ends what is
deleted within its grace period. An image is a folder of programs. Security contexts and resources are not heeded; how
else a process's surroundings differ from a container's, `pod_surroundings` says.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.k8s.control_plane import ControlPlane
from tests.k8s.pod_run import PodRun
from tests.k8s.pod_surroundings import Pod

LOOK_S: Final = 0.1
"""How often the API server is asked for the node's pods."""

_NODES: Final = "/api/v1/nodes"


class Kubelet:
    """A node; entering it makes it the only one that gets new pods, leaving it ends all of its processes.

    Args:
        control_plane: The cluster.
        folder: For volumes and what processes say.
        images: Where the programs of each image are, by its name without a tag.
    """

    def __init__(self, control_plane: ControlPlane, folder: Path, images: Mapping[str, Path]) -> None:
        self.node = f"local-{secrets.token_hex(4)}"
        self._control_plane = control_plane
        self._folder = folder
        self._images = images
        self._runs: dict[str, PodRun] = {}
        self._network = f"127.{16 + secrets.randbelow(200)}.{secrets.randbelow(256)}"
        self._addresses = iter(range(1, 255))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=self.node)

    def __enter__(self) -> Self:
        for name in self._control_plane.simulated_nodes():
            self._change_node(name, unschedulable=True)
        self._register()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for run in self._runs.values():
            run.end()
        for run in self._runs.values():
            run.join()
        # Pods of a node that is gone are removed by the cluster.
        self._control_plane.request("DELETE", f"{_NODES}/{self.node}")
        for name in self._control_plane.simulated_nodes():
            self._change_node(name, unschedulable=False)

    def said(self) -> str:
        """Return the last lines of each pod that has run, for whom something did not work."""
        logs = sorted(self._folder.glob("pods/*/log"))
        return "\n".join(f"== {log.parent.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs)

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.node}
        self._control_plane.request("POST", _NODES, {"metadata": {"name": self.node, "labels": labels}})
        room = {"cpu": "1000", "memory": "1Ti", "pods": "250"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        self._change_node(self.node, status={"capacity": room, "allocatable": room, "conditions": [ready]})

    def _change_node(self, name: str, *, unschedulable: bool = False, status: dict[str, Any] | None = None) -> None:
        path = f"{_NODES}/{name}"
        while True:
            node = self._control_plane.request("GET", path)
            if status is not None:
                answer = self._control_plane.ask("PUT", f"{path}/status", {**node, "status": status})
            else:
                spec = {**node["spec"], "unschedulable": unschedulable}
                answer = self._control_plane.ask("PUT", path, {**node, "spec": spec})
            if answer.status_code != 409:  # Somebody else has written in between.
                answer.raise_for_status()
                return

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with suppress(httpx.HTTPError):  # The API server does not answer, or not now: it is asked again.
                self._look()

    def _look(self) -> None:
        answer = self._control_plane.ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={self.node}")
        pods = {pod["metadata"]["uid"]: pod for pod in answer.raise_for_status().json()["items"]}
        for uid, run in list(self._runs.items()):
            if uid not in pods:
                run.end()
                run.join()
                del self._runs[uid]
        for uid, pod in pods.items():
            if uid in self._runs:
                self._runs[uid].see(pod)
            else:
                self._runs[uid] = self._started(pod)

    def _started(self, live: Mapping[str, Any]) -> PodRun:
        metadata = live["metadata"]
        folder = self._folder / "pods" / f"{metadata['name']}-{metadata['uid'][:8]}"
        folder.mkdir(parents=True)
        pod = Pod(
            control_plane=self._control_plane,
            live=live,
            address=self._free_address(live),
            folder=folder,
            claims=self._folder / "claims",
        )
        run = PodRun(pod, self._images.get(pod.container["image"].rpartition(":")[0]))
        run.start()
        return run

    def _free_address(self, live: Mapping[str, Any]) -> str:
        """Return an address on which nobody listens at the pod's ports; another one for each pod, as in a cluster."""
        ports = [port["containerPort"] for one in live["spec"]["containers"] for port in one.get("ports", ())]
        return next(
            address
            for address in (f"{self._network}.{number}" for number in self._addresses)
            if all(_is_free(address, port) for port in ports)
        )


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
