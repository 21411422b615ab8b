"""Giving up a mirror or an application, step by step; which step is next is read from the cluster each time.

    replicas are wanted      → none are wanted
    pods are there           → wait
    no clean-up Job          → make it
    the Job runs             → wait; it tries again by itself
    the Job has failed       → report; Kubernetes deletes it after an hour, and it is made again
    the Job has succeeded    → the thing's other objects are deleted, then the workload, then the Job

A process that dies between two steps loses nothing. If the workload goes first, by somebody else's hand, then nobody
knows any more what to clean up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from core.errors import ConflictError, KubernetesConflictError
from k8s.apply import ApiClient
from k8s.clean_up import clean_up_job
from k8s.cluster import APP, JOB, POD, Cluster, Life, is_ending, is_made_by_us, label
from k8s.drift import stamped
from k8s.objects import LiveObject, ObjectRef
from k8s.outcomes import State

SCALER: Final = "quick-clean-up"
"""Field manager that wants no replicas: `quick` itself would give up all fields that it does not name."""

_ENDED: Final = ("Succeeded", "Failed")
"""Pods that have been evicted, for example, stay listed for long."""

Step = tuple[State, str]
"""What was done, and what is waited for."""


class GivingUp:
    """Gives up workloads.

    Args:
        cluster: As it was read in this round.
        position: Up to which command the log was taken into account.
        confirm: Raises when another process leads now.
    """

    def __init__(self, client: ApiClient, cluster: Cluster, position: int, confirm: Callable[[], None]) -> None:
        self._client = client
        self._cluster = cluster
        self._position = position
        self._confirm = confirm

    def step(self, ref: ObjectRef, workload: LiveObject, life: Life) -> Step:
        """Take the next step with a *workload*.

        Raises:
            ConflictError: Somebody else is in the way; the message says how.
            KubernetesRefusedError: The API server refuses a step.
            KubernetesUnavailableError: It cannot be asked.
            LeadershipLostError: As `confirm` raises it.
        """
        if is_ending(workload):
            return State.WAITING, "It is being deleted."
        if workload["spec"].get("replicas") != 0:
            self._confirm()
            self._client.apply(_without_replicas(ref, workload), SCALER, force=True)
            return State.WAITING, "Its replicas are told to end."
        if self._runs(workload):
            return State.WAITING, "Its replicas are ending."
        job = stamped(clean_up_job(workload, position=self._position))
        return self._clean_up(ref, workload, life, job)

    def _clean_up(self, ref: ObjectRef, workload: LiveObject, life: Life, job: dict[str, Any]) -> Step:
        job_ref = ObjectRef.of(job)
        found = self._cluster.get(job_ref)
        if found is None:
            return self._make(job_ref, job)
        if not is_made_by_us(found):
            raise _taken(job_ref)
        if message := condition(found, "Failed"):
            return State.FAILED, f"Its clean-up {job_ref} has failed: {message}. See the log of the Job's pod."
        if condition(found, "Complete") is None:
            return State.WAITING, f"Its clean-up {job_ref} runs."
        self._delete_all(ref, workload, life)
        self._delete(job_ref, found)
        return State.DELETED, ""

    def _runs(self, workload: LiveObject) -> bool:
        """Return whether there are pods: a Deployment's status does not count those that are ending."""
        status = workload.get("status") or {}
        if status.get("replicas", 0) or status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
            return True
        labels = workload["spec"]["selector"]["matchLabels"]
        pods = self._client.list(POD, ",".join(f"{name}={value}" for name, value in labels.items())).objects
        return any((pod.get("status") or {}).get("phase") not in _ENDED for pod in pods)

    def _make(self, ref: ObjectRef, job: dict[str, Any]) -> Step:
        self._confirm()
        try:
            self._client.create(job)
        except KubernetesConflictError as error:
            if self._client.get(ref) is None:
                raise
            raise _taken(ref) from error
        return State.WAITING, f"Its clean-up {ref} was started."

    def _delete_all(self, ref: ObjectRef, workload: LiveObject, life: Life) -> None:
        """Delete the objects of the workload's thing, the workload last."""
        for other, live in self._cluster:
            is_its = label(live, APP) == life.app and is_made_by_us(live)
            if is_its and other != ref and other.kind != JOB and not is_ending(live):
                self._delete(other, live)
        self._delete(ref, workload)

    def _delete(self, ref: ObjectRef, live: LiveObject) -> None:
        self._confirm()
        self._client.delete(ref, uid=live["metadata"]["uid"])


def condition(live: LiveObject, name: str) -> str | None:
    """Return the message of a condition that holds, `None` if it does not; a Job that has ended holds one."""
    for one in (live.get("status") or {}).get("conditions") or ():
        if one["type"] == name and one["status"] == "True":
            return str(one.get("message") or one.get("reason") or name).rstrip(".")
    return None


def _without_replicas(ref: ObjectRef, workload: LiveObject) -> dict[str, Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace, "uid": workload["metadata"]["uid"]}
    api_version, kind = ref.kind
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {"replicas": 0}}


def _taken(ref: ObjectRef) -> ConflictError:
    return ConflictError(f"{ref} is there and is not this Quick's, so it is left alone. Delete it or rename it.")
