"""Jobs that remove what is left, made from the workload as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from core.errors import ConflictError
from k8s.applications import application_manifests
from k8s.clean_up import clean_up_job
from k8s.mirrors import mirror_manifests
from k8s.rendering import Manifest
from tests.k8s.declared_things import FULL, PLAIN, application, mirror, one


@pytest.fixture
def deployment() -> Manifest:
    made = application_manifests(application(image_pull_secret="own", arguments={"a": "b"}), FULL)
    return one(made, "Deployment")


def pod(job: Manifest) -> dict[str, Any]:
    return dict(job["spec"]["template"]["spec"])


def test_an_application_is_cleaned_up_by_its_own_image_with_its_own_arguments(deployment: Manifest) -> None:
    spec = pod(clean_up_job(deployment, position=40))
    (only,) = spec["containers"]
    assert "bakdata/quick-demo-recommender:1.0" == only["image"]
    assert ["--a=b", "--clean-up=true", "--delete-output=false"] == only["args"][2:]
    assert [{"name": "own"}] == spec["imagePullSecrets"]
    assert "OnFailure" == spec["restartPolicy"]


def test_a_mirror_is_cleaned_up_with_the_tag_that_it_had_and_secrets_by_reference() -> None:
    workload = one(mirror_manifests(mirror(tag="1.9"), FULL), "StatefulSet")
    spec = pod(clean_up_job(workload, position=40))
    (only,) = spec["containers"]
    assert "registry.example.com:5000/quick/quick:1.9" == only["image"]
    assert {"secretRef": {"name": "eu-key"}} in only["envFrom"]
    assert ["--topic=orders", "--clean-up"] == [only["args"][2], only["args"][-1]]
    assert [{"name": "own-registry"}] == spec["imagePullSecrets"]
    assert [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}] == spec["volumes"]


def test_a_job_ends_and_goes(deployment: Manifest) -> None:
    spec = clean_up_job(deployment, position=40)["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["ttlSecondsAfterFinished"] > 0


def test_each_life_of_a_thing_has_a_job_of_its_own(deployment: Manifest) -> None:
    again = copy.deepcopy(deployment)
    again["metadata"]["annotations"]["quick/incarnation"] = "77"
    names = [clean_up_job(workload, position=80)["metadata"]["name"] for workload in (deployment, again)]
    assert ["quick-app-recommender-deletion-21", "quick-app-recommender-deletion-77"] == names


def test_what_the_cluster_adds_to_a_workload_does_not_matter(deployment: Manifest) -> None:
    live = copy.deepcopy(deployment)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [{}]}
    live["status"] = {"replicas": 0}
    live_pod = live["spec"]["template"]["spec"]
    live_pod["containers"][0] |= {"terminationMessagePath": "/dev/termination-log"}
    live_pod["containers"].insert(0, {"name": "side-car", "image": "mesh"})
    assert clean_up_job(deployment, position=40) == clean_up_job(live, position=40)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("metadata", "annotations"), "quick/incarnation"),
        (("metadata", "labels"), "quick/instance"),
        (("spec", "template", "spec"), "containers"),
    ],
)
def test_a_workload_that_somebody_has_changed_is_named_with_what_it_lacks(
    deployment: Manifest, path: tuple[str, ...], named: str
) -> None:
    holder: Any = deployment
    for step in path:
        holder = holder[step]
    del holder[named]
    with pytest.raises(
        ConflictError, match=rf"Deployment quick-app-recommender in namespace shop .*{named}.*Let Quick"
    ):
        clean_up_job(deployment, position=40)


def test_something_that_runs_nothing_has_no_clean_up() -> None:
    headless = mirror_manifests(mirror(), PLAIN)[0]
    with pytest.raises(ConflictError, match="Service quick-mirror-orders-headless"):
        clean_up_job(headless, position=40)
