"""What is to be in the cluster, for whatever is declared."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.mirrors import MirrorDefinition
from k8s.applications import LOGIN, application_manifests
from k8s.desired import desired
from k8s.gateways import MAX_SCHEMA_BYTES, gateway_manifests
from k8s.mirrors import mirror_manifests
from k8s.names import Prefix, object_name
from k8s.rendering import Manifest
from k8s.settings import KubernetesSettings, TopicRegistrySettings
from tests.k8s.declared_things import FULL, PLAIN, application, declared, gateway, mirror, one, variants
from tests.k8s.test_rendering import TEXTS

VARIANTS = variants()
WORKLOADS = ("StatefulSet", "Deployment", "Job")

OBJECT_NAMES = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

every_variant = pytest.mark.parametrize("variant", VARIANTS)


def pods(manifests: list[Manifest]) -> Iterator[dict[str, Any]]:
    """Yield the templates of pods."""
    return (made["spec"]["template"] for made in manifests if made["kind"] in WORKLOADS)


def container(manifests: list[Manifest], kind: str) -> dict[str, Any]:
    (found,) = one(manifests, kind)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def without_positions(manifests: list[Manifest]) -> list[Manifest]:
    for made in manifests:
        assert made["metadata"]["annotations"].pop("quick/position")
    return manifests


@every_variant
def test_every_object_tells_whose_it_is_and_which_command_made_it(variant: str) -> None:
    for made in VARIANTS[variant]:
        metadata = made["metadata"]
        assert {"app.kubernetes.io/managed-by": "quick"}.items() <= metadata["labels"].items()
        assert metadata["labels"]["quick/instance"] in {"quick", "quick-eu"}
        assert metadata["namespace"] in {"default", "shop"}
        assert metadata["annotations"]["quick/position"].isdigit()
        assert metadata["annotations"]["quick/incarnation"].isdigit()
        assert OBJECT_NAMES.fullmatch(metadata["name"])


@every_variant
def test_selectors_find_the_pods_of_their_own_thing(variant: str) -> None:
    made = VARIANTS[variant]
    labels = [template["metadata"]["labels"] for template in pods(made)]
    selectors = [one_made["spec"]["selector"] for one_made in made if "selector" in one_made.get("spec", {})]
    for selector in selectors:
        wanted = selector.get("matchLabels", selector)
        assert {"app.kubernetes.io/name", "app.kubernetes.io/component"} == set(wanted)
        assert all(wanted.items() <= found.items() for found in labels)


@every_variant
def test_what_is_mounted_is_there_and_what_a_port_is_called_too(variant: str) -> None:
    for template in pods(VARIANTS[variant]):
        (only,) = template["spec"]["containers"]
        claims = {"data"} if "StatefulSet" in {made["kind"] for made in VARIANTS[variant]} else set()
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])} | claims
        assert volumes == {mount["name"] for mount in only.get("volumeMounts", [])}
        ports = {port["name"] for port in only.get("ports", [])}
        probes = [probe["httpGet"]["port"] for name, probe in only.items() if name.endswith("Probe")]
        assert set(probes) <= ports
    targets = [
        port["targetPort"] for made in VARIANTS[variant] if made["kind"] == "Service" for port in made["spec"]["ports"]
    ]
    assert set(targets) <= {"http"}


@every_variant
def test_no_pod_has_rights_that_it_does_not_need(variant: str) -> None:
    for template in pods(VARIANTS[variant]):
        spec, (only,) = template["spec"], template["spec"]["containers"]
        assert not spec["automountServiceAccountToken"]
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        assert not only["securityContext"]["allowPrivilegeEscalation"]
        assert ["ALL"] == only["securityContext"]["capabilities"]["drop"]
        if only.get("command") == ["quick"]:
            assert only["securityContext"]["readOnlyRootFilesystem"]
            assert spec["securityContext"]["runAsNonRoot"]
            assert "/tmp" in {mount["mountPath"] for mount in only["volumeMounts"]}


@pytest.mark.parametrize("made", [mirror_manifests(mirror(), PLAIN), gateway_manifests(gateway(), PLAIN)])
def test_the_three_probes_ask_for_different_things(made: list[Manifest]) -> None:
    only = container(made, "StatefulSet" if len(made) == 3 else "Deployment")
    expected = ["/health/started", "/health/readiness", "/health/liveness"]
    assert expected == [only[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")]
    (management,) = [port["containerPort"] for port in only["ports"] if port["name"] == "management"]
    assert 8081 == management


def test_replicas_are_protected_from_going_at_once_where_there_are_several() -> None:
    for made in (mirror_manifests, gateway_manifests):
        thing: Any = mirror if made is mirror_manifests else gateway
        assert "PodDisruptionBudget" not in {found["kind"] for found in made(thing(replicas=1), PLAIN)}
        budget = one(made(thing(replicas=2), PLAIN), "PodDisruptionBudget")
        assert 1 == budget["spec"]["maxUnavailable"]


def test_each_replica_of_a_mirror_has_a_volume_and_a_name_of_its_own() -> None:
    made = mirror_manifests(mirror(replicas=3), FULL)
    spec = one(made, "StatefulSet")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert {"storageClassName": "fast", "resources": {"requests": {"storage": "100Gi"}}}.items() <= claim[
        "spec"
    ].items()
    (headless,) = [found for found in made if found["spec"].get("clusterIP") == "None"]
    assert headless["metadata"]["name"] == spec["serviceName"]
    env = {entry["name"]: entry.get("value") for entry in container(made, "StatefulSet")["env"]}
    assert "$(POD_NAME).quick-mirror-orders-headless.shop.svc:8080" == env["QUICK_ADVERTISED_ADDRESS"]


@pytest.mark.parametrize(("replicas", "copies", "told"), [(3, 2, "3"), (3, None, None), (3, 3, None), (1, 2, None)])
def test_replicas_are_told_their_number_where_they_share_the_keys(
    replicas: int, copies: int | None, told: str | None
) -> None:
    made = mirror_manifests(mirror(replicas=replicas), replace(PLAIN, mirror_copies=copies))
    env = {entry["name"]: entry.get("value") for entry in container(made, "StatefulSet")["env"]}
    assert told == env.get("QUICK_MIRROR_REPLICAS")


def test_a_schema_that_is_applied_restarts_nothing() -> None:
    before = gateway_manifests(gateway(sdl="type Query { a: Int }"), PLAIN)
    after = gateway_manifests(msgspec.structs.replace(gateway(sdl="type Query { b: Int }"), position=99), PLAIN)
    assert "99" == one_config_map(after)["metadata"]["annotations"]["quick/position"]
    assert {"schema.graphql": "type Query { b: Int }"} == one_config_map(after).pop("data")
    assert {"schema.graphql": "type Query { a: Int }"} == one_config_map(before).pop("data")
    assert without_positions(before) == without_positions(after)


def one_config_map(made: list[Manifest]) -> Manifest:
    (found,) = [manifest for manifest in made if manifest["kind"] == "ConfigMap"]
    return found


def test_shared_settings_that_change_roll_gateways_and_mirrors_and_no_applications() -> None:
    others = replace(FULL, config_checksum="0f")
    for made in (gateway_manifests, mirror_manifests, application_manifests):
        thing: Any = {gateway_manifests: gateway, mirror_manifests: mirror}.get(made, application)
        marks = [
            template["metadata"].get("annotations", {}).get("checksum/config")
            for settings in (PLAIN, FULL, others)
            for template in pods(made(thing(), settings))
        ]
        assert ([None] * 3 if thing is application else [None, FULL.config_checksum, "0f"]) == marks


def test_a_mirror_that_is_to_keep_something_else_is_not_restarted() -> None:
    before = mirror()
    state = msgspec.structs.replace(before.state, definition=MirrorDefinition(range_field="at", build=2))
    after = msgspec.structs.replace(before, state=state, position=99)
    assert without_positions(mirror_manifests(before, PLAIN)) == without_positions(mirror_manifests(after, PLAIN))


def test_a_thing_without_a_tag_of_its_own_follows_the_default() -> None:
    def images(settings: KubernetesSettings) -> list[tuple[str, str]]:
        made = desired(declared(mirrors=[mirror()], gateways=[gateway(tag="1.9")]), settings)
        found = [one_made for one_made in made if one_made["kind"] in WORKLOADS]
        return [
            (only["metadata"]["annotations"]["d9p.io/fixed-tag"], template["spec"]["containers"][0]["image"])
            for only, template in zip(found, pods(found), strict=True)
        ]

    assert [("false", "quick:2.0"), ("true", "quick:1.9")] == images(replace(PLAIN, default_tag="2.0"))
    assert [("false", "r/quick:3.0"), ("true", "r/quick:1.9")] == images(
        replace(PLAIN, default_tag="3.0", registry="r")
    )


def test_a_schema_that_no_config_map_can_hold_is_named_in_its_place() -> None:
    fits, too_long = "#" * MAX_SCHEMA_BYTES, "#" + "é" * (MAX_SCHEMA_BYTES // 2)
    assert fits == one_config_map(gateway_manifests(gateway(sdl=fits), PLAIN))["data"]["schema.graphql"]
    text = one_config_map(gateway_manifests(gateway(sdl=too_long), PLAIN))["data"]["schema.graphql"]
    assert "# Of 1000001 bytes, which is more than fits here. To read it: quick gateway schema shop\n" == text


def test_the_registry_that_is_published_is_mirrored_where_that_is_wanted() -> None:
    wanted = replace(PLAIN, topic_registry=TopicRegistrySettings(is_enabled=True))
    assert [] == desired(declared(), PLAIN)
    made = desired(declared(), wanted)
    stateful_set = one(made, "StatefulSet")
    assert ("internal-topic-registry", 1) == (stateful_set["metadata"]["name"], stateful_set["spec"]["replicas"])
    assert "--topic=__topic-registry" in container(made, "StatefulSet")["args"]


@given(st.randoms(use_true_random=False))
def test_the_same_is_desired_whatever_the_order_of_the_rows(shuffled: random.Random) -> None:
    mirrors, gateways = [mirror(name) for name in "abc"], [gateway(name) for name in "abc"]
    expected = desired(declared(mirrors=mirrors, gateways=gateways), PLAIN)
    shuffled.shuffle(mirrors)
    shuffled.shuffle(gateways)
    assert expected == desired(declared(mirrors=mirrors, gateways=gateways), PLAIN)


def test_no_two_objects_have_the_same_name() -> None:
    names = ["a", "A", "a-headless", "a.b", "a_b", "a-config", "a-deletion-1"]
    everything = declared(
        mirrors=[mirror(name) for name in names],
        gateways=[gateway(name) for name in names],
        applications=[application(name=name, port=1) for name in names],
    )
    made = desired(everything, PLAIN)
    found = [(one_made["kind"], one_made["metadata"]["name"]) for one_made in made]
    assert len(found) == len(set(found))


def test_without_an_instance_the_log_is_the_instance() -> None:
    things = declared(mirrors=[mirror()])
    for settings, expected in ((KubernetesSettings(), things.log), (PLAIN, "quick")):
        assert {expected} == {made["metadata"]["labels"]["quick/instance"] for made in desired(things, settings)}


@pytest.mark.parametrize(
    ("given_arguments", "expected"),
    [
        ({}, ["--brokers=kafka-1:9092,kafka-2:9092", "--schema-registry-url=http://registry:8081"]),
        (
            {"a": "1", "--b": "2 3"},
            ["--brokers=kafka-1:9092,kafka-2:9092", "--schema-registry-url=http://registry:8081", "--a=1", "--b=2 3"],
        ),
        ({"--brokers": "own:9092"}, ["--brokers=own:9092", "--schema-registry-url=http://registry:8081"]),
    ],
)
def test_an_application_is_told_where_kafka_is_unless_it_says_so_itself(
    given_arguments: dict[str, str], expected: list[str]
) -> None:
    made = application_manifests(application(arguments=given_arguments), FULL)
    assert expected == container(made, "Deployment")["args"]


def test_what_is_not_known_here_or_must_not_be_shown_is_put_in_by_the_cluster() -> None:
    settings = replace(PLAIN, schema_registry_url="http://me:qu1et@sr")
    made = application_manifests(application(), settings)
    expected = [
        "--brokers=$(QUICK_KAFKA_BOOTSTRAP_SERVER)",
        "--schema-registry-url=$(QUICK_KAFKA_SCHEMA_REGISTRY_URL)",
    ]
    assert expected == container(made, "Deployment")["args"]
    assert "qu1et" not in str(made)


def test_an_application_gets_the_login_for_kafka_only_where_a_setting_says_so() -> None:
    def given(settings: KubernetesSettings) -> dict[str, Any]:
        env = container(application_manifests(application(), settings), "Deployment")["env"]
        return {one["name"]: one["valueFrom"]["secretKeyRef"] for one in env if "valueFrom" in one}

    assert {} == given(FULL) == given(replace(PLAIN, application_kafka_login=True))
    found = given(replace(FULL, application_kafka_login=True))
    assert set(LOGIN) == set(found)
    password = {"name": "eu-kafka", "key": "QUICK_KAFKA_SASL_PASSWORD", "optional": True}
    assert password == found["QUICK_KAFKA_SASL_PASSWORD"]


@given(name=TEXTS, tag=TEXTS)
def test_a_hostile_name_or_tag_of_a_mirror_changes_nothing_else(name: str, tag: str) -> None:
    plain, derived = object_name(Prefix.MIRROR, "orders"), object_name(Prefix.MIRROR, name)
    expected = in_place_of(
        mirror_manifests(mirror(replicas=2, tag="TAG"), PLAIN),
        {"orders": name, "--topic=orders": f"--topic={name}", "quick:TAG": f"quick:{tag or PLAIN.default_tag}"},
        plain,
        derived,
    )
    expected[2]["metadata"]["annotations"]["d9p.io/fixed-tag"] = "true" if tag else "false"
    assert expected == mirror_manifests(mirror(name, 2, tag), PLAIN)


@given(sdl=TEXTS)
def test_a_hostile_schema_changes_nothing_else(sdl: str) -> None:
    expected = gateway_manifests(gateway(), PLAIN)
    one_config_map(expected)["data"] = {"schema.graphql": sdl}
    assert expected == gateway_manifests(gateway(sdl=sdl), PLAIN)


@given(key=TEXTS.filter(lambda key: key.removeprefix("--") not in {"brokers", "schema-registry-url"}), value=TEXTS)
def test_a_hostile_argument_of_an_application_changes_nothing_else(key: str, value: str) -> None:
    expected = application_manifests(application(port=80), PLAIN)
    one(expected, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].append(
        f"--{key.removeprefix('--')}={value}"
    )
    assert expected == application_manifests(application(port=80, arguments={key: value}), PLAIN)


def in_place_of(manifests: Any, whole: dict[str, str], plain: str, derived: str) -> Any:
    """Return *manifests* with texts replaced: whole ones, and in all others the name of the objects."""
    match manifests:
        case dict():
            return {key: in_place_of(value, whole, plain, derived) for key, value in manifests.items()}
        case list():
            return [in_place_of(value, whole, plain, derived) for value in manifests]
        case str():
            return whole[manifests] if manifests in whole else manifests.replace(plain, derived)
    return manifests
