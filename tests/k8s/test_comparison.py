from __future__ import annotations

import copy
from typing import Any

import pytest

from k8s.comparison import Comparison, compare
from k8s.managed_fields import path_text

APP = 'k:{"name":"app"}'
OWNED_APP = {
    ".": {},
    "f:name": {},
    "f:image": {},
    "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}},
    "f:args": {},
}
OWNED = {
    "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {'v:"q/f"': {}}},
    "f:spec": {"f:hostNetwork": {}, "f:containers": {APP: OWNED_APP}},
}


@pytest.fixture
def wanted() -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "i",
        "env": [{"name": "A", "value": ""}],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": 0.1, "memory": "1024Mi"}},
        "args": ["a", "b"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}, "finalizers": ["q/f"]},
        "spec": {"hostNetwork": False, "containers": [container]},
    }


@pytest.fixture
def live(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what the API server would make of it: defaults added, zero values dropped, amounts written anew."""
    made = copy.deepcopy(wanted)
    made["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [managed("quick", OWNED)]}
    del made["spec"]["hostNetwork"]
    made["spec"]["restartPolicy"] = "Always"
    container = app(made)
    del container["env"][0]["value"]
    container["ports"][0]["protocol"] = "TCP"
    container["resources"]["limits"] = {"cpu": "100m", "memory": "1Gi"}
    container["imagePullPolicy"] = "Always"
    return made


def managed(manager: str, fields: dict[str, Any], operation: str = "Apply") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": copy.deepcopy(fields)}


def app(made: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = made["spec"]["containers"][-1]
    return container


def own(live: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = live["metadata"]["managedFields"][0]["fieldsV1"]
    return fields


def texts(compared: Comparison) -> tuple[list[str], list[str], list[str]]:
    return (
        [path_text(difference.path) for difference in compared.differences],
        [path_text(path) for path in compared.not_ours],
        [path_text(path) for path in compared.no_longer_wanted],
    )


def test_defaults_dropped_zeros_and_rewritten_amounts_are_no_difference(
    wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    assert ([], [], []) == texts(compare(wanted, live))
    assert compare(wanted, live).is_applied


def test_what_others_add_is_no_difference(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    sidecar = {"name": "sidecar", "image": "s"}
    live["spec"]["containers"].insert(0, sidecar)
    live["metadata"]["labels"]["theirs"] = "x"
    live["metadata"]["finalizers"].insert(0, "other/f")
    theirs = {
        "f:metadata": {"f:labels": {"f:theirs": {}}, "f:finalizers": {'v:"other/f"': {}}},
        "f:spec": {"f:containers": {'k:{"name":"sidecar"}': {".": {}, "f:name": {}, "f:image": {}}}},
    }
    live["metadata"]["managedFields"].append(managed("injector", theirs, "Update"))
    assert compare(wanted, live).is_applied


def test_a_changed_value_is_named_with_both_values(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    app(live)["image"] = "other"
    (difference,) = compare(wanted, live).differences
    assert ("i", "other") == (difference.wanted, difference.found)
    assert """.spec.containers[name="app"].image: 'i' wanted, 'other' found""" == str(difference)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda live: live["metadata"]["labels"].clear(), ".metadata.labels.a"),
        (lambda live: live["metadata"]["finalizers"].clear(), '.metadata.finalizers[="q/f"]'),
        (lambda live: live["spec"].update(hostNetwork=True), ".spec.hostNetwork"),
        (lambda live: live["spec"]["containers"].clear(), '.spec.containers[name="app"]'),
        (lambda live: app(live)["env"][0].update(value="x"), '.spec.containers[name="app"].env[name="A"].value'),
        (
            lambda live: app(live)["ports"][0].update(protocol="UDP"),
            '.spec.containers[name="app"].ports[containerPort=80,protocol="TCP"]',
        ),
        (lambda live: app(live)["args"].append("c"), '.spec.containers[name="app"].args'),
        (lambda live: app(live)["args"].reverse(), '.spec.containers[name="app"].args[0]'),
        (
            lambda live: app(live)["resources"]["limits"].update(memory="1G"),
            '.spec.containers[name="app"].resources.limits.memory',
        ),
        (lambda live: app(live)["resources"].update(limits=None), '.spec.containers[name="app"].resources.limits'),
        (lambda live: live.update(spec="?"), ".spec"),
        (lambda live: live.update(kind="Job"), ".kind"),
    ],
)
def test_each_way_to_differ_is_found_where_it_is(
    wanted: dict[str, Any], live: dict[str, Any], change: Any, path: str
) -> None:
    change(live)
    assert path in texts(compare(wanted, live))[0]


def test_true_is_not_1_and_a_text_is_no_number(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    for here, there in ((True, 1), (1, True), ("1", 1), (False, 0)):
        wanted["spec"]["x"], live["spec"]["x"] = here, there
        assert [".spec.x"] == texts(compare(wanted, live))[0], f"{here!r} and {there!r}"


def test_an_amount_is_one_only_where_amounts_are(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    wanted["metadata"]["labels"]["a"], live["metadata"]["labels"]["a"] = "1000m", "1"
    assert [".metadata.labels.a"] == texts(compare(wanted, live))[0]


def test_a_zero_that_somebody_took_away_is_a_difference(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    del own(live)["f:spec"]["f:hostNetwork"]
    assert ([".spec.hostNetwork"], [".spec.hostNetwork"], []) == texts(compare(wanted, live))


def test_null_wants_nothing(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    wanted["spec"]["nothing"] = None
    own(live)["f:spec"]["f:nothing"] = {}
    assert compare(wanted, live).is_applied


def test_a_field_that_is_right_but_not_ours_needs_an_apply(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    del own(live)["f:spec"]["f:containers"][APP]["f:image"]
    del own(live)["f:metadata"]
    live["metadata"]["managedFields"].append(managed("other", OWNED, "Update"))
    expected = ([], [".metadata.labels", ".metadata.finalizers", '.spec.containers[name="app"].image'], [])
    assert expected == texts(compare(wanted, live))


def test_of_an_object_that_we_never_applied_nothing_is_ours(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    compared = compare(wanted, live, "somebody")
    assert (["."], []) == texts(compared)[1:]
    assert not compared.is_applied


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda wanted: wanted["metadata"]["labels"].clear(), ".metadata.labels.a"),
        (lambda wanted: wanted["metadata"].pop("labels"), ".metadata.labels"),
        (lambda wanted: wanted["metadata"]["finalizers"].clear(), '.metadata.finalizers[="q/f"]'),
        (lambda wanted: wanted["spec"]["containers"].clear(), '.spec.containers[name="app"]'),
        (lambda wanted: app(wanted).pop("args"), '.spec.containers[name="app"].args'),
        (lambda wanted: app(wanted)["env"].clear(), '.spec.containers[name="app"].env[name="A"]'),
        (lambda wanted: wanted.pop("spec"), ".spec"),
    ],
)
def test_a_field_of_ours_that_is_no_longer_wanted_needs_an_apply(
    wanted: dict[str, Any], live: dict[str, Any], change: Any, path: str
) -> None:
    change(wanted)
    assert [path] == texts(compare(wanted, live))[2]


def test_the_order_of_items_that_are_merged_by_key_counts(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    key = 'k:{"name":"B"}'
    app(wanted)["env"].append({"name": "B", "value": "$(A)"})
    own(live)["f:spec"]["f:containers"][APP]["f:env"][key] = {".": {}, "f:name": {}, "f:value": {}}
    app(live)["env"].append({"name": "B", "value": "$(A)"})
    assert compare(wanted, live).is_applied
    app(live)["env"].reverse()
    assert ['.spec.containers[name="app"].env'] == texts(compare(wanted, live))[0]


def test_a_list_of_nobody_is_compared_item_by_item(wanted: dict[str, Any], live: dict[str, Any]) -> None:
    live["metadata"]["managedFields"] = []
    app(live)["image"] = "other"
    differences = texts(compare(wanted, live))[0]
    assert ".spec.containers[0].image" in differences


def test_a_map_that_we_applied_empty_does_not_make_others_entries_ours(
    wanted: dict[str, Any], live: dict[str, Any]
) -> None:
    own(live)["f:metadata"]["f:labels"] = {}
    wanted["metadata"]["labels"] = {"a": "b", "zero": ""}
    live["metadata"]["managedFields"].append(managed("other", {"f:metadata": {"f:labels": {"f:a": {}}}}, "Update"))
    differences, not_ours, _ = texts(compare(wanted, live))
    assert [".metadata.labels.zero"] == differences
    assert [".metadata.labels.a", ".metadata.labels.zero"] == not_ours
