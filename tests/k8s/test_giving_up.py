"""Mirrors and applications that are given up: their pods first, then a clean-up, then all that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from k8s.apply import ApiClient
from k8s.objects import ObjectRef
from k8s.outcomes import State
from projections.registry import Row
from tests.k8s.control_plane import ControlPlane
from tests.k8s.declared_things import mirror
from tests.k8s.manifests import DEPLOYMENT, JOB, job
from tests.k8s.reconciling import (
    APPLICATION,
    GATEWAY,
    MIRROR,
    Declared,
    found,
    names,
    pods,
    settle,
    until,
    workload,
)

GOLDEN = Path(__file__).parent / "golden"


def test_a_mirror_and_an_application_are_cleaned_up_after_their_pods_are_gone(
    client: ApiClient, declared: Declared
) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    until(lambda: len(pods(client)) == 3, "pods")
    declared.mirrors.clear()
    declared.applications.clear()
    jobs: set[str] = set()
    told: list[str] = []

    def is_gone() -> bool:
        outcome = reconciler.reconcile()
        told.extend(result.reason for result in outcome.results if result.thing == "orders")
        jobs.update(live["metadata"]["name"] for live in client.list(JOB).objects)
        if any(name.startswith("quick-mirror") for name in jobs):
            assert "quick-mirror-orders-0" not in pods(client), "a replica that runs puts back what is cleaned up"
        return outcome.is_settled

    until(is_gone, "gone")
    assert {"quick-mirror-orders-deletion-11", "quick-app-recommender-deletion-21"} == jobs
    steps = [reason.partition("Job")[0] for reason in dict.fromkeys(told)]
    assert ["Its replicas are told to end.", ""] == [steps[0], steps[-1]]
    assert steps.index("Its clean-up ") == len([step for step in steps if step.startswith("Its replicas")])
    assert GATEWAY == names(client)
    assert [] == client.list(JOB).objects


def test_no_clean_up_is_made_while_a_pod_is_ending(
    control_plane: ControlPlane, client: ApiClient, declared: Declared
) -> None:
    declared.gateways.clear()
    declared.mirrors.clear()
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    until(lambda: len(pods(client)) == 1, "pods")
    path = f"/api/v1/namespaces/{client.namespace}/pods/{pods(client)[0]}"
    control_plane.change(path, {"metadata": {"finalizers": ["quick.test/hold"]}})
    declared.applications.clear()
    reconciler.reconcile()
    live = workload("quick-app-recommender", DEPLOYMENT)
    until(lambda: not found(client, live)["status"].get("replicas"), "the Deployment has no replicas")
    assert ["Its replicas are ending."] == [
        one.reason for one in reconciler.reconcile().results if one.ref.kind == DEPLOYMENT
    ]
    assert [] == client.list(JOB).objects
    control_plane.change(path, {"metadata": {"finalizers": []}})
    settle(reconciler)
    assert set() == names(client)


def test_a_clean_up_that_failed_is_told_and_made_again_when_its_job_is_gone(
    control_plane: ControlPlane, client: ApiClient, declared: Declared
) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    until(lambda: len(pods(client)) == 3, "pods")
    let_pods_be_made(control_plane, client, yes=False)
    declared.applications.clear()
    until(lambda: not reconciler.reconcile().is_settled and bool(client.list(JOB).objects), "the Job is there")
    (failed,) = client.list(JOB).objects
    fail(control_plane, failed)
    (result,) = reconciler.reconcile().of(State.FAILED)
    assert "quick-app-recommender-deletion-21 has failed: as told" in result.reason
    assert APPLICATION <= names(client)
    let_pods_be_made(control_plane, client, yes=True)
    client.delete(ObjectRef.of(failed))
    settle(reconciler)
    assert MIRROR | GATEWAY == names(client)


def let_pods_be_made(control_plane: ControlPlane, client: ApiClient, *, yes: bool) -> None:
    """Let the pods of applications be made or refused: their images may want to be root."""
    level = "privileged" if yes else "restricted"
    labels = {"pod-security.kubernetes.io/enforce": level}
    control_plane.change(f"/api/v1/namespaces/{client.namespace}", {"metadata": {"labels": labels}})


def fail(control_plane: ControlPlane, live: dict[str, Any]) -> None:
    """Make a Job without pods fail, as its controller does after too many."""
    path = f"/apis/batch/v1/namespaces/{live['metadata']['namespace']}/jobs/{live['metadata']['name']}"
    now = live["metadata"]["creationTimestamp"]
    common = {"status": "True", "lastTransitionTime": now, "lastProbeTime": now, "message": "as told", "reason": "Test"}

    def is_written() -> bool:
        current = control_plane.request("GET", path)
        conditions = [{"type": name, **common} for name in ("FailureTarget", "Failed")]
        status = {"startTime": now, "conditions": conditions, "uncountedTerminatedPods": {}}
        answer = control_plane.ask("PUT", f"{path}/status", {**current, "status": status})
        return answer.is_success  # Its controller may have written meanwhile.

    until(is_written, "failed")


def test_a_thing_that_is_declared_again_waits_for_the_clean_up_of_the_earlier_one(
    client: ApiClient, declared: Declared
) -> None:
    reconciler = declared.reconciler(client)
    reconciler.reconcile()
    earlier = found(client, workload("quick-mirror-orders"))["metadata"]["uid"]
    declared.mirrors = [Row(41, 41, mirror().state)]
    declared.position = 41
    seen = settle(reconciler)
    assert any(
        "An earlier thing" in result.reason for result in seen[0].results if result.ref.name == "quick-mirror-orders"
    )
    live = found(client, workload("quick-mirror-orders"))
    assert "41" == live["metadata"]["annotations"]["quick/incarnation"]
    assert earlier != live["metadata"]["uid"]
    assert MIRROR | GATEWAY | APPLICATION == names(client)


def test_of_succeeded_jobs_only_our_own_are_removed(client: ApiClient, declared: Declared) -> None:
    declared.position = 50
    ours = yaml.safe_load((GOLDEN / "clean-up-mirror.yaml").read_text())
    ours["metadata"]["namespace"] = client.namespace
    client.apply(ours)
    client.apply(job("foreign"))
    copied = job("copied")
    copied["metadata"]["labels"] = ours["metadata"]["labels"]
    client.apply(copied, "somebody")
    for name in (ours["metadata"]["name"], "foreign", "copied"):
        until(
            lambda name=name: bool((found(client, ObjectRef(JOB, name)).get("status") or {}).get("succeeded")),  # type: ignore[misc]
            "done",
        )
    settle(declared.reconciler(client))
    assert {"foreign", "copied"} == {live["metadata"]["name"] for live in client.list(JOB).objects}
