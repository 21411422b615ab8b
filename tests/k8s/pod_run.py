"""One pod that runs: its process, its probes, and what the API server is told about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from cli.child_process import Child, ChildSpec, how_it_ended
from tests.k8s.pod_surroundings import NotThereYetError, Pod
from tests.running import PLAIN

STEP_S: Final = 0.05
"""How often a pod is looked after."""

RESTART_AFTER_S: Final = 1.0
"""How long a container that ended waits to be started again. A real kubelet waits longer each time."""


@dataclass(frozen=True)
class _State:
    """What the API server is told."""

    is_started: bool = False
    is_ready: bool = False
    restarts: int = 0
    waiting: str | None = "ContainerCreating"
    """Why the container does not run yet."""
    exit_code: int | None = None
    """How the container ended, where it is not started again."""

    @property
    def phase(self) -> str:
        if self.exit_code is not None:
            return "Failed" if self.exit_code else "Succeeded"
        return "Pending" if self.waiting and not self.restarts else "Running"


class _Probe:
    """One probe of a container: asks when it is time to, and counts."""

    def __init__(self, spec: Mapping[str, Any], url: str) -> None:
        self._url = f"{url}{spec['httpGet']['path']}"
        self._timeout_s = float(spec.get("timeoutSeconds", 1))
        self._period_s = float(spec.get("periodSeconds", 10))
        self._threshold = int(spec.get("failureThreshold", 3))
        self._next = time.monotonic() + float(spec.get("initialDelaySeconds", 0))
        self._failures = 0

    def result(self) -> bool | None:
        """Return `True` when the probe succeeds, `False` when it has failed too often, `None` for neither."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._period_s
        try:
            is_good = httpx.get(self._url, timeout=self._timeout_s, trust_env=False, verify=PLAIN).is_success
        except httpx.TransportError:
            is_good = False
        self._failures = 0 if is_good else self._failures + 1
        return True if is_good else False if self._failures >= self._threshold else None


class PodRun(threading.Thread):
    """Runs a pod until it is deleted. Its process cannot outlive this thread (see cli.child_process)."""

    def __init__(self, pod: Pod, programs: Path | None) -> None:
        """Prepare a run.

        Args:
            pod: The pod.
            programs: Where its image has its programs; `None` when there is no such image.
        """
        super().__init__(name=str(pod.live["metadata"]["name"]))
        self.pod = pod
        self.output = pod.folder / "log"
        self._programs = programs
        self._child: Child | None = None
        self._probes: dict[str, _Probe] = {}
        self._state = _State()
        self._told: _State | None = None
        self._start_at = 0.0
        self._env: Mapping[str, str] = {}
        self._hook: Child | None = None
        self._kill_at: float | None = None
        self._is_told_to_end = False
        self._newest = pod.live
        self._ending = threading.Event()

    @property
    def address(self) -> str:
        return self.pod.address

    def see(self, live: Mapping[str, Any]) -> None:
        """Take the pod as it is now."""
        self._newest = live

    def end(self) -> None:
        """Kill the process and tell nobody: the pod is gone, or the whole node."""
        self._ending.set()

    def run(self) -> None:
        try:
            while not self._ending.wait(STEP_S):
                with suppress(httpx.HTTPError):  # The API server does not answer, or not now: it is asked again.
                    self._step()
        finally:
            for child in (self._hook, self._child):
                if child is not None:
                    child.kill()

    def _step(self) -> None:
        if self._newest["metadata"].get("deletionTimestamp"):
            self._let_go()
        elif self._state.exit_code is None:
            self._look_after()
        self._tell()

    def _look_after(self) -> None:
        if self._child is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif (code := self._child.exit_code()) is not None:
            self._ended(code)
        else:
            self._probe()

    def _start(self) -> None:
        if self._programs is None:
            self._state = replace(self._state, waiting="ErrImagePull")
            return
        try:
            found = self.pod.surroundings(str(self._programs))
        except NotThereYetError as error:
            self._say(f"not started: {error}")
            self._start_at = time.monotonic() + RESTART_AFTER_S
            self._state = replace(self._state, waiting="CreateContainerConfigError")
            return
        self._env = found.env
        self._child = self._run(found.argv)
        self._probes = self._new_probes()
        self._state = replace(self._state, waiting=None, is_started="startup" not in self._probes)
        self._state = replace(self._state, is_ready=self._state.is_started and "readiness" not in self._probes)

    def _run(self, argv: tuple[str, ...]) -> Child:
        return Child(ChildSpec(name=self.name, argv=argv, env=self._env, cwd=self.pod.folder, output=self.output))

    def _new_probes(self) -> dict[str, _Probe]:
        container = self.pod.container
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        probes = {}
        for name in ("startup", "readiness", "liveness"):
            if spec := container.get(f"{name}Probe"):
                port = spec["httpGet"]["port"]
                probes[name] = _Probe(spec, f"http://{self.address}:{ports.get(port, port)}")
        return probes

    def _ended(self, code: int) -> None:
        """Start the container again, or let it be, as the pod wants it."""
        self._say(f"the container ended with {how_it_ended(code)}")
        self._child = None
        self._state = replace(self._state, is_started=False, is_ready=False)
        policy = self.pod.live["spec"].get("restartPolicy", "Always")
        if policy == "Never" or (policy == "OnFailure" and code == 0):
            self._state = replace(self._state, exit_code=code)
            return
        self._start_at = time.monotonic() + RESTART_AFTER_S
        self._state = replace(self._state, waiting="CrashLoopBackOff", restarts=self._state.restarts + 1)

    def _probe(self) -> None:
        """Ask what is to be asked now: until a container has started, nothing but that."""
        assert self._child is not None
        names = ("readiness", "liveness") if self._state.is_started else ("startup",)
        for name in names:
            result = self._probes[name].result() if name in self._probes else None
            if result is not None and name == "readiness":
                self._state = replace(self._state, is_ready=result)
            elif result is True and name == "startup":
                self._state = replace(self._state, is_started=True)
            elif result is False:
                self._say(f"killed: its {name} probe failed")
                self._child.kill()
                return

    def _let_go(self) -> None:
        """End the process within its grace period, then let the API server forget the pod."""
        self._state = replace(self._state, is_ready=False)
        if self._child is None or (code := self._child.exit_code()) is not None:
            self._say("deleted" if self._child is None else f"deleted; the container ended with {how_it_ended(code)}")
            self._forget()
        elif self._kill_at is None:
            self._kill_at = time.monotonic() + self._newest["metadata"].get("deletionGracePeriodSeconds", 30)
            self._start_hook()
        elif time.monotonic() >= self._kill_at:
            self._say("killed: its grace period is over")
            self._child.kill()
        elif not self._is_told_to_end and (self._hook is None or self._hook.exit_code() is not None):
            self._is_told_to_end = True
            self._child.terminate()

    def _start_hook(self) -> None:
        """Start what is to run before the container is told to end."""
        hook = self.pod.container.get("lifecycle", {}).get("preStop", {}).get("exec")
        if hook is not None:
            self._hook = self._run(tuple(hook["command"]))

    def _forget(self) -> None:
        uid = self._newest["metadata"]["uid"]
        now = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        if self.pod.control_plane.ask("DELETE", self._path, now).status_code in {200, 404, 409}:
            self._ending.set()

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.pod.namespace}/pods/{self.name}"

    def _tell(self) -> None:
        """Write the state into the pod's status where it has changed; a conflict is tried again."""
        if self._state == self._told or self._ending.is_set():
            return
        answer = self.pod.control_plane.ask("GET", self._path)
        if answer.status_code == 404:
            self._ending.set()
            return
        live = answer.raise_for_status().json()
        if live["metadata"]["uid"] != self._newest["metadata"]["uid"]:
            self._ending.set()
            return
        live["status"] = self._status(live["status"])
        answer = self.pod.control_plane.ask("PUT", f"{self._path}/status", live)
        if answer.status_code not in {404, 409}:
            answer.raise_for_status()
            self._told = self._state

    def _status(self, held: Mapping[str, Any]) -> dict[str, Any]:
        state, now, container = self._state, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), self.pod.container
        running: dict[str, Any] = {"running": {"startedAt": now}}
        if state.exit_code is not None:
            running = {"terminated": {"exitCode": state.exit_code, "finishedAt": now}}
        elif state.waiting is not None:
            running = {"waiting": {"reason": state.waiting}}
        status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": state.is_ready,
            "started": state.is_started,
            "restartCount": state.restarts,
            "state": running,
        }
        conditions = [one for one in held.get("conditions", ()) if one["type"] == "PodScheduled"]
        facts = {"Initialized": True, "ContainersReady": state.is_ready, "Ready": state.is_ready}
        conditions += [{"type": kind, "status": str(value), "lastTransitionTime": now} for kind, value in facts.items()]
        return {
            **held,
            "phase": state.phase,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": held.get("startTime", now),
            "conditions": conditions,
            "containerStatuses": [status],
        }

    def _say(self, what: str) -> None:
        """Add a line to the log of the pod."""
        with self.output.open("a") as output:
            output.write(f"kubelet: {what}\n")
