"""The comparison against the API server's own verdict: whether applying a manifest would change the object."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from k8s.apply import ApiClient
from k8s.comparison import compare
from k8s.managed_fields import owners_of, path_text
from k8s.objects import Kind, LiveObject
from tests.k8s.control_plane import ControlPlane
from tests.k8s.manifests import MIDDLEWARE, deployment, job, manifest, stateful_set

ON_THE_SERVER = settings(
    deadline=None,
    max_examples=50,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # To explain a failure takes minutes.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(["a", "b", "c"])
AMOUNTS = st.sampled_from([0.1, "0.1", "100m", 1, "1", "1000m", "1.5"])
SIZES = st.sampled_from(["1Gi", "1024Mi", "1G", "0"])
LABELS = st.dictionaries(NAMES, st.sampled_from(["", "1", "2"]))
VARIABLES = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"value": st.sampled_from(["", "1", "$(a)"])}),
    unique_by=lambda one: one["name"],
)
PORTS = st.lists(
    st.fixed_dictionaries(
        {"containerPort": st.sampled_from([53, 80])}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}
    ),
    unique_by=lambda one: (one["containerPort"], one.get("protocol", "TCP")),
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES, "image": st.sampled_from(["x", "y"])},
        optional={
            "env": VARIABLES,
            "ports": PORTS,
            "args": st.lists(NAMES, max_size=2),
            "resources": st.fixed_dictionaries(
                {},
                optional={
                    "limits": st.fixed_dictionaries({}, optional={"cpu": AMOUNTS.filter(lambda a: a != 0.1)}),
                    "requests": st.fixed_dictionaries({}, optional={"cpu": st.just(0.1), "memory": SIZES}),
                },
            ),
            "tty": st.booleans(),
            "securityContext": st.fixed_dictionaries(
                {}, optional={"runAsUser": st.sampled_from([0, 1]), "privileged": st.just(value=False)}
            ),
        },
    ),
    min_size=1,
    unique_by=lambda one: one["name"],
)
POD_SPECS = st.fixed_dictionaries(
    {"containers": CONTAINERS},
    optional={
        "initContainers": CONTAINERS.map(lambda made: [{**one, "name": f"i{one['name']}"} for one in made]),
        "hostNetwork": st.just(value=False),
        "automountServiceAccountToken": st.booleans(),
        "nodeSelector": LABELS,
        "tolerations": st.lists(st.fixed_dictionaries({"key": NAMES, "operator": st.just("Exists")}), max_size=2),
        "terminationGracePeriodSeconds": st.sampled_from([0, 30]),
        "volumes": st.just([{"name": "v", "emptyDir": {}}]),
    },
)


TEMPLATE = Kind("v1", "PodTemplate")
"""Has all that pods have, and no controller that would change it meanwhile."""


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    metadata = draw(st.fixed_dictionaries({}, optional={"labels": LABELS, "annotations": LABELS}))
    return manifest(TEMPLATE, "t", metadata=metadata, template={"spec": draw(POD_SPECS)})


def like(before: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return strategies for *before* itself, for one with other metadata, and for any other."""
    other_metadata = templates().map(lambda other: {**before, "metadata": other["metadata"]})
    return st.just(before) | other_metadata | templates()


def without_times(live: LiveObject) -> LiveObject:
    bare = copy.deepcopy(live)
    for entry in bare["metadata"]["managedFields"]:
        entry.pop("time", None)
    return bare


def without_owners(live: LiveObject) -> LiveObject:
    """Return *live* but for its versions and owners: who owns a list without items, nobody can tell."""
    owners = ("managedFields", "resourceVersion", "generation")
    return live | {"metadata": {name: value for name, value in live["metadata"].items() if name not in owners}}


@ON_THE_SERVER
@given(wanted=templates())
def test_what_was_just_applied_is_applied(client: ApiClient, wanted: dict[str, Any]) -> None:
    live = client.apply(wanted, dry_run=True, force=True)
    compared = compare(wanted, live)
    assert compared.is_applied, (compared, live)


@ON_THE_SERVER
@given(
    pair=templates().flatmap(lambda before: st.tuples(st.just(before), like(before))), others=st.none() | templates()
)
def test_an_apply_is_left_out_only_if_and_always_if_it_would_change_nothing(
    client: ApiClient, pair: tuple[dict[str, Any], dict[str, Any]], others: dict[str, Any] | None
) -> None:
    before, wanted = map(copy.deepcopy, pair)
    name = f"t-{uuid.uuid4().hex[:8]}"
    for made in filter(None, (before, wanted, others)):
        made["metadata"]["name"] = name
    live = client.apply(before)
    if others is not None:
        live = client.apply(others, field_manager="other", force=True)
    answer = client.apply(wanted, force=True, dry_run=True)
    compared = compare(wanted, live)
    if compared.is_applied:
        assert without_owners(answer) == without_owners(live)
    else:
        assert without_times(answer) != without_times(live), compared


def test_ours_stay_ours_when_others_write_elsewhere(control_plane: ControlPlane, client: ApiClient) -> None:
    wanted = deployment("web")
    wanted["spec"]["template"]["spec"] |= {"hostNetwork": False, "tolerations": []}
    wanted["spec"]["paused"] = False
    client.apply(wanted)
    path = f"/apis/apps/v1/namespaces/{client.namespace}/deployments/web"

    def write() -> LiveObject:
        live = control_plane.request("GET", path)
        live["metadata"].setdefault("labels", {})["theirs"] = "1"
        live["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "s"})
        del live["metadata"]["resourceVersion"]  # Whatever a controller did meanwhile.
        written: LiveObject = control_plane.request("PUT", path, live)
        return written

    compared = compare(wanted, write())
    assert compared.is_applied, compared


def test_a_change_by_hand_is_found_with_who_made_it(control_plane: ControlPlane, client: ApiClient) -> None:
    wanted = deployment("web")
    client.apply(wanted)
    theirs = deployment("web")
    theirs["spec"]["template"]["spec"]["containers"][0]["image"] = "patched"
    live = client.apply(theirs, field_manager="kubectl-edit", force=True)
    compared = compare(wanted, live)
    (difference,) = compared.differences
    assert ("example/image:1", "patched") == (difference.wanted, difference.found)
    assert ["kubectl-edit"] == owners_of(live, difference.path)
    assert ['.spec.template.spec.containers[name="main"].image'] == [path_text(path) for path in compared.not_ours]
    assert compare(wanted, client.apply(wanted, force=True)).is_applied


def test_all_kinds_are_applied_when_they_were_just_applied(client: ApiClient) -> None:
    middleware = manifest(MIDDLEWARE, "m", spec={"stripPrefix": {"prefixes": ["/a", "/b"]}, "x": {"y": [{"z": 0}]}})
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    for wanted in (middleware, service, stateful_set("store"), job("once")):
        live = client.apply(wanted)
        assert compare(wanted, live).is_applied, (wanted["kind"], compare(wanted, live))
