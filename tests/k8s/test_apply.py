from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import (
    FieldConflict,
    InvalidInputError,
    InvalidNameError,
    KubernetesConflictError,
    KubernetesExpiredError,
    KubernetesRefusedError,
    KubernetesUnavailableError,
)
from k8s.apply import ApiClient, WatchEvent
from k8s.objects import Kind, LiveObject, ObjectRef
from tests.k8s.control_plane import ControlPlane
from tests.k8s.manifests import CONFIG_MAP, DEPLOYMENT, POD, deployment, job, manifest
from tests.running import until

NAMESPACE = Kind("v1", "Namespace")


def config(name: str, **data: str) -> dict[str, Any]:
    return manifest(CONFIG_MAP, name, data=data)


def found(client: ApiClient, name: str) -> LiveObject:
    live = client.get(ObjectRef(CONFIG_MAP, name))
    assert live is not None
    return live


def names(objects: list[LiveObject]) -> list[str]:
    return sorted(one["metadata"]["name"] for one in objects)


# Apply


def test_apply_makes_an_object_and_returns_it_with_its_defaults(client: ApiClient) -> None:
    made = client.apply(deployment("web"))
    assert ("web", client.namespace) == (made["metadata"]["name"], made["metadata"]["namespace"])
    assert 600 == made["spec"]["progressDeadlineSeconds"]
    assert ["quick"] == [entry["manager"] for entry in made["metadata"]["managedFields"]]


def test_apply_removes_what_was_applied_before_and_leaves_what_others_added(client: ApiClient) -> None:
    client.apply(config("c", ours="1", gone="2"))
    client.apply(config("c", theirs="3"), field_manager="other")
    assert {"ours": "4", "theirs": "3"} == client.apply(config("c", ours="4"))["data"]


def test_an_apply_that_changes_nothing_leaves_the_object_alone(client: ApiClient) -> None:
    first, second = (client.apply(config("c", a="1")) for _ in range(2))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_create_makes_an_object_as_an_apply_does(client: ApiClient) -> None:
    made = client.create(config("c", a="1"))
    assert [("quick", "Apply")] == [(one["manager"], one["operation"]) for one in made["metadata"]["managedFields"]]
    assert made["metadata"]["resourceVersion"] == client.apply(config("c", a="1"))["metadata"]["resourceVersion"]


@pytest.mark.parametrize("manager", ["quick", "other"])
def test_create_leaves_an_object_that_is_there_as_it_is(client: ApiClient, manager: str) -> None:
    before = client.apply(config("c", a="1"), manager)
    for wanted in (config("c", a="1"), config("c", b="2")):
        with pytest.raises(KubernetesConflictError, match="not the object that was seen"):
            client.create(wanted)
    assert before == found(client, "c")


def test_of_many_that_create_an_object_at_once_one_does(client: ApiClient) -> None:
    outcomes: list[str] = []

    def create(number: int) -> None:
        try:
            client.create(config("c", **{f"k{number}": "1"}))
        except KubernetesConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append("made")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (1, 7) == (outcomes.count("made"), outcomes.count("conflict"))
    assert 1 == len(found(client, "c")["data"])


def test_a_dry_run_shows_what_would_be_and_changes_nothing(client: ApiClient) -> None:
    client.apply(config("c", a="1"))
    assert {"a": "2"} == client.apply(config("c", a="2"), dry_run=True)["data"]
    assert {"a": "1"} == found(client, "c")["data"]


def test_fields_of_another_manager_are_a_conflict_that_names_it_and_them(client: ApiClient) -> None:
    client.apply(deployment("web", replicas=2), field_manager="kubectl")
    ours = deployment("web", replicas=3)
    ours["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    with pytest.raises(KubernetesConflictError, match=r"\.spec\.replicas \(owned by kubectl\)") as conflict:
        client.apply(ours)
    assert {
        FieldConflict("kubectl", ".spec.replicas"),
        FieldConflict("kubectl", '.spec.template.spec.containers[name="main"].image'),
    } == set(conflict.value.conflicts)


def test_force_takes_fields_over(client: ApiClient) -> None:
    client.apply(config("c", a="theirs"), field_manager="other")
    assert {"a": "ours"} == client.apply(config("c", a="ours"), force=True)["data"]
    with pytest.raises(KubernetesConflictError):
        client.apply(config("c", a="theirs"), field_manager="other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda wanted: wanted["spec"].update(nonsense=1), r"spec\.nonsense: field not declared in schema"),
        (lambda wanted: wanted["spec"].update(replicas="many"), r"spec\.replicas: expected numeric"),
        (lambda wanted: wanted["spec"].update(replicas=-1), r"\(Invalid\).*must be greater than or equal to 0"),
        (lambda wanted: wanted["spec"]["template"]["metadata"].update(labels={"x": "y"}), r"\(Invalid\).*selector"),
        (lambda wanted: wanted["metadata"].update(name="Web_1"), r"\(Invalid\).*RFC 1123"),
    ],
)
def test_a_mistake_in_a_manifest_is_refused_for_good(client: ApiClient, change: Any, message: str) -> None:
    wanted = deployment("web")
    change(wanted)
    with pytest.raises(KubernetesRefusedError, match=message):
        client.apply(wanted)


def test_a_namespace_that_is_not_there_is_refused(client: ApiClient) -> None:
    wanted = config("c")
    wanted["metadata"]["namespace"] = "nowhere"
    with pytest.raises(KubernetesRefusedError, match=r'namespaces "nowhere" not found') as refused:
        client.apply(wanted)
    assert (404, "NotFound") == (refused.value.code, refused.value.reason)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"kind": "Pod"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": None},
        {"apiVersion": "v1", "kind": "Pod", "metadata": "p"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": 7}},
    ],
)
def test_a_manifest_that_does_not_say_what_it_is_is_refused_here(client: ApiClient, broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"needs apiVersion, kind and metadata\.name"):
        client.apply(broken)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text()
    | st.text(alphabet="\x00\x07\x1b\x7f\x85\xa0\u2028\u2029\ufeff\ufffe\uffff\U0001f600\"'\\:#{}\n\r\t -")
)
def test_any_text_arrives_as_it_was_sent(client: ApiClient, text: str) -> None:
    assert text == client.apply(config("text", a=text), dry_run=True)["data"]["a"]


# Kinds and names


def test_a_kind_that_the_cluster_does_not_know_is_named(client: ApiClient) -> None:
    for kind in (Kind("apps/v1", "Balloon"), Kind("balloons.example/v1", "Balloon")):
        with pytest.raises(KubernetesRefusedError, match=r"find the kind Balloon") as refused:
            client.list(kind)
        assert 404 == refused.value.code


def test_a_version_of_an_api_is_asked_about_once(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = client._connection.ask

    def noting(what: str, *more: Any, **options: Any) -> dict[str, Any]:
        asked.append(what)
        return ask(what, *more, **options)

    monkeypatch.setattr(client._connection, "ask", noting)
    client.list(POD)
    client.apply(config("c"))
    client.list(DEPLOYMENT)
    assert ["tell what v1 is", "tell what apps/v1 is"] == [what for what in asked if what.startswith("tell")]


def test_a_kind_that_is_defined_later_is_found_then(control_plane: ControlPlane, client: ApiClient) -> None:
    group = f"x{uuid.uuid4().hex[:8]}.example"
    kind = Kind(f"{group}/v1", "Balloon")
    with pytest.raises(KubernetesRefusedError):
        client.list(kind)
    schema = {"openAPIV3Schema": {"type": "object"}}
    spec = {
        "group": group,
        "scope": "Cluster",
        "names": {"kind": "Balloon", "plural": "balloons"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    definition = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    client.apply(manifest(definition, f"balloons.{group}", spec=spec))

    def is_known() -> bool:
        try:
            client.list(kind)
        except KubernetesRefusedError:
            return False
        return True

    until(is_known)
    client.apply(manifest(kind, "red"))
    assert ["red"] == names(client.list(kind).objects)
    assert client.delete(ObjectRef(definition, f"balloons.{group}"))


@pytest.mark.parametrize("name", ["", ".", "..", "../../pods", "a/b", "a%2fb", "a?b", "a b", "é", "a" * 254])
def test_a_name_that_would_lead_elsewhere_is_never_sent(client: ApiClient, name: str) -> None:
    client.apply(config("kept"))
    with pytest.raises(InvalidNameError, match="cannot be the name of an object"):
        client.delete(ObjectRef(CONFIG_MAP, name))
    with pytest.raises(InvalidNameError, match="cannot be the name of an object"):
        client.delete(ObjectRef(CONFIG_MAP, "kept", namespace=name or ".."))
    assert "kept" in names(client.list(CONFIG_MAP).objects)


@pytest.mark.parametrize("api_version", ["", "v1/../..", "../v1", "apps/v1/deployments", "apps /v1"])
def test_a_version_that_would_lead_elsewhere_is_never_sent(client: ApiClient, api_version: str) -> None:
    with pytest.raises(InvalidNameError, match="no version of an API"):
        client.list(Kind(api_version, "Pod"))


# Read, list


def test_an_object_that_is_not_there_is_none(client: ApiClient) -> None:
    assert None is client.get(ObjectRef(CONFIG_MAP, "nothing"))


def test_a_list_has_the_objects_with_the_labels_over_several_pages(client: ApiClient) -> None:
    for number in range(7):
        client.apply(manifest(CONFIG_MAP, f"c{number}", metadata={"labels": {"odd": str(number % 2)}}))
    listing = client.list(CONFIG_MAP, "odd=0", page=2)
    assert ["c0", "c2", "c4", "c6"] == names(listing.objects)
    assert [("v1", "ConfigMap")] * 4 == [(one["apiVersion"], one["kind"]) for one in listing.objects]
    assert int(listing.resource_version) >= max(int(one["metadata"]["resourceVersion"]) for one in listing.objects)


def test_a_list_of_another_namespace_and_of_things_that_are_in_none(client: ApiClient) -> None:
    assert ["kube-root-ca.crt"] == names(client.list(CONFIG_MAP, namespace="default").objects)
    assert {"default", client.namespace} <= set(names(client.list(NAMESPACE).objects))


# Delete


def test_delete_tells_whether_there_was_something(client: ApiClient) -> None:
    client.apply(config("c"))
    ref = ObjectRef(CONFIG_MAP, "c")
    assert client.delete(ref, dry_run=True)
    assert client.delete(ref)
    assert not client.delete(ref)


def test_delete_spares_a_later_object_of_the_same_name(client: ApiClient) -> None:
    ref = ObjectRef(CONFIG_MAP, "c")
    first = client.apply(config("c"))["metadata"]
    client.delete(ref)
    second = client.apply(config("c"))["metadata"]
    with pytest.raises(KubernetesConflictError, match="not the object that was seen") as conflict:
        client.delete(ref, uid=first["uid"])
    assert [] == conflict.value.conflicts
    assert client.delete(ref, uid=second["uid"])


def test_delete_spares_an_object_that_has_changed(client: ApiClient) -> None:
    ref = ObjectRef(CONFIG_MAP, "c")
    before = client.apply(config("c", a="1"))["metadata"]["resourceVersion"]
    after = client.apply(config("c", a="2"))["metadata"]["resourceVersion"]
    with pytest.raises(KubernetesConflictError):
        client.delete(ref, resource_version=before)
    assert client.delete(ref, resource_version=after)


def test_delete_can_leave_what_the_object_owns(client: ApiClient) -> None:
    client.apply(job("j", **{"quick.test/unready": "true"}))
    until(lambda: len(client.list(POD, "app=j").objects) == 1)
    client.delete(ObjectRef(Kind("batch/v1", "Job"), "j"), propagation="Orphan")
    until(lambda: client.get(ObjectRef(Kind("batch/v1", "Job"), "j")) is None)
    (pod,) = client.list(POD, "app=j").objects
    assert not pod["metadata"].get("ownerReferences")


# Watch


def test_a_watch_from_a_list_shows_what_happens_after_it(client: ApiClient) -> None:
    client.apply(config("before"))
    listing = client.list(CONFIG_MAP)
    client.apply(config("c", a="1"))
    client.apply(config("c", a="2"))
    client.delete(ObjectRef(CONFIG_MAP, "c"))
    events: list[WatchEvent] = []
    for event in client.watch(CONFIG_MAP, listing.resource_version, timeout_s=30):
        if event.object["metadata"].get("name") == "c":
            events.append(event)
        if event.type == "DELETED":
            break
    assert ["ADDED", "MODIFIED", "DELETED"] == [event.type for event in events]
    assert {"a": "2"} == events[-1].object["data"]
    again = client.watch(CONFIG_MAP, events[0].resource_version, timeout_s=30)
    assert "MODIFIED" == next(event for event in again if event.object["metadata"].get("name") == "c").type
    again.close()


def test_a_watch_without_news_ends_by_itself(client: ApiClient) -> None:
    listing = client.list(DEPLOYMENT)
    events = list(client.watch(DEPLOYMENT, listing.resource_version, timeout_s=1))
    assert [] == [event for event in events if event.type != "BOOKMARK"]


def test_a_watch_sees_only_what_has_the_labels(client: ApiClient) -> None:
    start = client.list(CONFIG_MAP).resource_version
    client.apply(config("without"))
    client.apply(manifest(CONFIG_MAP, "with", metadata={"labels": {"a": "b"}}))
    watch = client.watch(CONFIG_MAP, start, timeout_s=30, label_selector="a=b")
    assert "with" == next(watch).object["metadata"]["name"]
    watch.close()


def test_a_resource_version_that_was_compacted_away_has_expired(control_plane: ControlPlane, client: ApiClient) -> None:
    old = client.apply(config("c", a="1"))["metadata"]["resourceVersion"]
    client.apply(config("c", a="2"))
    control_plane.forget_history()
    with pytest.raises(KubernetesExpiredError, match="List again"):
        list(client.watch(CONFIG_MAP, old, timeout_s=30))


def test_a_list_that_outlives_its_moment_has_expired(
    control_plane: ControlPlane, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        client.apply(config(f"c{number}"))
    ask = client._connection.ask

    def forget_after_the_first_page(*args: Any) -> dict[str, Any]:
        answer = ask(*args)
        later = {"metadata": {"name": uuid.uuid4().hex}}
        control_plane.request("POST", f"/api/v1/namespaces/{client.namespace}/configmaps", later)
        control_plane.forget_history()
        return answer

    client._discovery.resource(CONFIG_MAP)
    monkeypatch.setattr(client._connection, "ask", forget_after_the_first_page)
    with pytest.raises(KubernetesExpiredError, match="list ConfigMap"):
        client.list(CONFIG_MAP, page=1)


# Trouble


def test_a_server_that_is_away_is_unavailable_and_used_again_when_it_is_back(
    control_plane: ControlPlane, client: ApiClient
) -> None:
    client.apply(config("c", a="1"))
    control_plane.kill_api_server()
    try:
        with pytest.raises(KubernetesUnavailableError, match=rf"{control_plane.url} cannot apply ConfigMap c now"):
            client.apply(config("c", a="2"))
    finally:
        control_plane.start_api_server()
    assert {"a": "3"} == client.apply(config("c", a="3"))["data"]


def test_a_frozen_server_is_unavailable_within_the_bound(
    control_plane: ControlPlane, client: ApiClient, new_client: Callable[..., ApiClient]
) -> None:
    client.apply(config("c"))
    impatient = new_client(control_plane.kubeconfig, timeout_s=0.5)
    control_plane.freeze_api_server()
    try:
        with pytest.raises(KubernetesUnavailableError, match="timed out"):
            impatient.get(ObjectRef(CONFIG_MAP, "c"))
    finally:
        control_plane.thaw_api_server()
    assert "c" == found(client, "c")["metadata"]["name"]


def test_a_watch_ends_with_an_error_when_its_server_freezes(
    control_plane: ControlPlane, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("k8s.apply.WATCH_GRACE_S", 0.5)
    start = client.list(CONFIG_MAP).resource_version
    client.apply(config("c"))
    watch = client.watch(CONFIG_MAP, start, timeout_s=10)  # Not over before the server is frozen.
    assert "ADDED" == next(watch).type
    control_plane.freeze_api_server()
    try:
        with pytest.raises(KubernetesUnavailableError, match="cannot watch ConfigMap"):
            list(watch)
    finally:
        control_plane.thaw_api_server()


def test_a_watch_ends_with_an_error_when_its_server_dies(control_plane: ControlPlane, client: ApiClient) -> None:
    start = client.list(CONFIG_MAP).resource_version
    client.apply(config("c"))
    watch = client.watch(CONFIG_MAP, start, timeout_s=60)
    assert "ADDED" == next(watch).type
    control_plane.kill_api_server()
    try:
        with pytest.raises(KubernetesUnavailableError, match="cannot watch ConfigMap"):
            list(watch)
    finally:
        control_plane.start_api_server()


def test_a_wrong_token_is_refused_with_the_way_out(
    control_plane: ControlPlane, namespace: str, new_client: Callable[..., ApiClient]
) -> None:
    kubeconfig = control_plane.service_account(namespace, "soon")
    kubeconfig.write_text(kubeconfig.read_text().replace('"token": "', '"token": "x'))
    with pytest.raises(KubernetesRefusedError, match="Check the credentials") as refused:
        new_client(kubeconfig).list(CONFIG_MAP)
    assert 401 == refused.value.code


def test_many_threads_share_a_client(client: ApiClient) -> None:
    def work(number: int) -> None:
        for round_ in range(5):
            client.apply(config(f"c{number}", a=str(round_)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listing = client.list(CONFIG_MAP)
    assert ["4"] * 8 == [one["data"]["a"] for one in listing.objects if one["metadata"]["name"].startswith("c")]


def test_a_manifest_is_not_changed_by_being_applied(client: ApiClient) -> None:
    wanted = deployment("web")
    before = copy.deepcopy(wanted)
    client.apply(wanted)
    assert before == wanted
