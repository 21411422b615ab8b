"""The chart's files, and what is in its golden files, against what the programs take. Needs no Helm."""

from __future__ import annotations

import base64
import configparser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from core.kafka_security import SaslMechanism, SecurityProtocol
from core.settings import Settings
from k8s.applications import LOGIN
from k8s.settings import KubernetesSettings, PullPolicy
from k8s.thing_objects import INSTANCE, MANAGED_BY, MANAGER, role_args

ROOT = Path(__file__).parents[2]
CHART = ROOT / "k8s" / "chart"
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()}
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VARIABLES = (CHART / "variables.txt").read_text(encoding="utf-8").split()

GOLDEN = {path.stem: path for path in Path(__file__).with_name("chart_golden").iterdir()}
GATEWAY = Path(__file__).with_name("golden") / "gateway-replicated.yaml"

OF_SERVICES = ("manager", "ingest", "schemaRegistry")
OF_PODS = {
    *("QUICK_ADVERTISED_ADDRESS", "QUICK_DATA_DIR", "QUICK_HAS_MANAGEMENT", "QUICK_MIRROR_REPLICAS", "QUICK_ROLE"),
    "QUICK_SERVED",
}
"""Variables that each pod sets itself, and `quick serve` in it."""

READ_ELSEWHERE = {"QUICK_LOG_LEVEL"}
"""Variables that are read before there are settings."""


class Recording(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **given: str) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def known_variables() -> set[str]:
    """Return all variables that the settings read, those of a login and of certificates too."""
    environ = Recording(
        QUICK_KAFKA_BOOTSTRAP_SERVER="kafka:9092",
        QUICK_DATA_DIR="/data",
        QUICK_APIKEY="key",
        QUICK_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        QUICK_KAFKA_SASL_MECHANISM="PLAIN",
        QUICK_KAFKA_SASL_USERNAME="quick",
        QUICK_KAFKA_SASL_PASSWORD="word",
    )
    Settings.from_env(environ)
    KubernetesSettings.from_env(environ)
    return environ.asked | READ_ELSEWHERE


def elsewhere() -> set[str]:
    """Return the variables that the chart takes from values of other names."""
    text = TEMPLATES["_config.tpl"].partition('define "quick.elsewhere" -}}')[2].partition("{{- end }}")[0]
    return set(yaml.safe_load(text))


def secrets() -> set[str]:
    """Return the variables that belong into a Secret."""
    [line] = [line for line in TEMPLATES["_config.tpl"].splitlines() if "$secret := list" in line]
    return set(re.findall(r'"([A-Z0-9_]+)"', line))


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all values that are no mappings, or empty ones."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path


def used_values() -> set[str]:
    """Return the paths of the values that the templates use."""
    used: set[str] = set()
    for text in TEMPLATES.values():
        used |= set(re.findall(r"\.Values\.([A-Za-z]+(?:\.[A-Za-z]+)*)", text))
        for name in re.findall(r"\$values\.([A-Za-z]+(?:\.[A-Za-z]+)*)", text):
            used |= {f"{service}.{name}" for service in OF_SERVICES}
        for name in re.findall(r"\$kafka\.([A-Za-z]+(?:\.[A-Za-z]+)*)", text):
            used.add(f"kafka.{name}")
    return used


def objects(variant: str) -> list[dict[str, Any]]:
    """Return the objects of a golden file."""
    return list(yaml.safe_load_all(GOLDEN[variant].read_text(encoding="utf-8")))


def of_kind(variant: str, kind: str) -> list[dict[str, Any]]:
    return [made for made in objects(variant) if made["kind"] == kind]


def is_valid(**changes: Any) -> bool:
    """Return whether the schema takes the values of values.yaml with *changes*."""
    return bool(jsonschema_rs.is_valid(SCHEMA, {**VALUES, **changes}))


def test_the_values_that_are_there_fit_their_schema() -> None:
    assert is_valid()


def test_the_schema_knows_exactly_the_values_that_are_there() -> None:
    def known(schema: dict[str, Any], values: Any) -> Any:
        is_open = "properties" not in schema or not isinstance(values, dict)
        return (
            None if is_open else {name: known(inner, values.get(name)) for name, inner in schema["properties"].items()}
        )

    def there(schema: dict[str, Any], values: Any) -> Any:
        is_open = "properties" not in schema or not isinstance(values, dict)
        return None if is_open else {name: there(schema["properties"][name], inner) for name, inner in values.items()}

    in_schema = known(SCHEMA, VALUES)
    assert in_schema.pop("global", "none") is None  # Which Helm itself adds.
    assert there(SCHEMA, VALUES) == in_schema


@pytest.mark.parametrize(
    "changes",
    [
        {"log4jConfig": "x"},
        {"runAsUser": 0},
        {"image": {"pullPolicy": "Sometimes"}},
        {"quickConfig": {"lower": "x"}},
        {"quickConfig": {"QUICK_LOG_LEVEL": None}},
        {"ingress": {"host": "https://quick.example.com"}},
    ],
)
def test_the_schema_refuses_what_cannot_be(changes: dict[str, Any]) -> None:
    assert not is_valid(**changes)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("image", "pullPolicy"), list(PullPolicy)),
        (("kafka", "securityProtocol"), list(SecurityProtocol)),
    ],
)
def test_the_schema_takes_the_words_that_the_settings_take(path: tuple[str, str], words: list[str]) -> None:
    assert words == SCHEMA["properties"][path[0]]["properties"][path[1]]["enum"]


def test_the_schema_takes_the_mechanisms_that_the_settings_take() -> None:
    sasl = SCHEMA["properties"]["kafka"]["properties"]["sasl"]
    assert ["", *SaslMechanism] == sasl["properties"]["mechanism"]["enum"]


def test_templates_use_no_value_that_is_not_declared() -> None:
    declared = set(leaves(VALUES))
    branches = {path[: match.start()] for path in declared for match in re.finditer(r"\.", path)}
    assert set() == used_values() - declared - branches


def test_every_declared_value_has_an_effect() -> None:
    used = used_values()
    assert [] == [path for path in leaves(VALUES) if not any(f"{path}.".startswith(f"{one}.") for one in used)]


def test_every_variable_in_the_chart_is_one_that_a_process_reads() -> None:
    named = {name for text in TEMPLATES.values() for name in re.findall(r"\bQUICK_[A-Z0-9_]*[A-Z0-9]\b", text)}
    assert {"QUICK_KAFKA_BOOTSTRAP_SERVER", "QUICK_APIKEY"} <= named
    assert set() == named - known_variables()


def test_every_variable_that_a_process_reads_has_its_place_in_the_chart() -> None:
    settable = known_variables() - elsewhere() - secrets() - OF_PODS
    assert sorted(settable) == VARIABLES, "variables.txt has to name each variable that quickConfig may hold, in order"


def test_no_variable_has_two_places() -> None:
    assert set() == set(VARIABLES) & (elsewhere() | secrets() | OF_PODS)
    assert set() == elsewhere() & secrets()


def test_applications_can_be_given_all_that_lets_into_kafka_and_no_other_secret() -> None:
    assert set(LOGIN) == {name for name in secrets() if name.startswith("QUICK_KAFKA_")}


def test_the_versions_are_one() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    expected = setup["metadata"]["version"]
    assert [expected] * 3 == [chart["version"], chart["appVersion"], Settings.default_image_tag]


@pytest.mark.parametrize("variant", GOLDEN)
def test_processes_start_with_what_the_chart_tells_them(variant: str) -> None:
    [config] = of_kind(variant, "ConfigMap")
    environ = {**config["data"], "QUICK_DATA_DIR": "/var/lib/quick"}
    for secret in of_kind(variant, "Secret"):
        decoded = {name: base64.b64decode(text.replace("<random>", "")) for name, text in secret["data"].items()}
        environ |= {name: value.decode() or "random" for name, value in decoded.items()}
    if variant == "existing-secret":
        logins = dict.fromkeys(["QUICK_KAFKA_SASL_USERNAME", "QUICK_KAFKA_SASL_PASSWORD"], "word")
        environ |= {"QUICK_APIKEY": "word", **logins}
    settings, kubernetes = Settings.from_env(environ), KubernetesSettings.from_env(environ)
    assert ("shop", "eu") == (kubernetes.namespace, kubernetes.instance)
    assert settings.kafka == kubernetes.kafka


def test_what_the_values_say_reaches_the_processes() -> None:
    [config] = of_kind("full", "ConfigMap")
    settings = KubernetesSettings.from_env(config["data"])
    assert ("eu-config", "eu-key", "eu-kafka") == (settings.config, settings.api_key_secret, settings.kafka_secret)
    assert "http://eu-registry/schema-registry" == settings.schema_registry_url
    assert (2000, PullPolicy.ALWAYS, "1.2.3-rc.1") == (settings.run_as_user, settings.pull_policy, settings.default_tag)
    assert ("registry.example.com", "team/quick") == (settings.registry, settings.image)
    assert ("quick.example.com", False, "inside,web", "internal") == (
        settings.ingress.host,
        settings.ingress.ssl,
        settings.ingress.entrypoint,
        settings.ingress.ingress_class,
    )


@pytest.mark.parametrize("variant", GOLDEN)
def test_pods_of_the_chart_and_those_that_the_manager_makes_have_the_same_mark_of_their_settings(variant: str) -> None:
    [config] = of_kind(variant, "ConfigMap")
    templates = [made["spec"]["template"]["metadata"] for made in of_kind(variant, "Deployment")]
    expected = {KubernetesSettings.from_env(config["data"]).config_checksum}
    assert expected == {metadata["annotations"]["checksum/config"] for metadata in templates}


def test_nothing_secret_is_in_the_config_or_in_a_pod() -> None:
    text = yaml.safe_dump_all(made for made in objects("full") if made["kind"] != "Secret")
    assert "pass" not in text
    assert "an-admin's-key" not in text


def test_the_manager_may_make_all_that_is_made_and_nothing_else() -> None:
    made = {
        (one["apiVersion"].rpartition("/")[0], _plural(one["kind"]))
        for path in GATEWAY.parent.iterdir()
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    }
    [role] = of_kind("default", "Role")
    allowed = {
        (group, resource): rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert ["get", "list", "watch"] == allowed.pop(("", "pods"))
    assert made == set(allowed)
    assert [["get", "list", "watch", "create", "patch", "delete"]] * len(made) == list(allowed.values())


def _plural(kind: str) -> str:
    return kind.lower() + ("es" if kind.endswith("ss") else "s")


@pytest.mark.parametrize("variant", GOLDEN)
def test_only_the_manager_gets_rights_and_a_token(variant: str) -> None:
    assert [] == [made["kind"] for made in objects(variant) if made["kind"].startswith("Cluster")]
    [binding] = of_kind(variant, "RoleBinding")
    with_token = [
        made["spec"]["template"]["spec"]["serviceAccountName"]
        for made in of_kind(variant, "Deployment")
        if made["spec"]["template"]["spec"]["automountServiceAccountToken"]
    ]
    assert [subject["name"] for subject in binding["subjects"]] == with_token
    assert [False] == sorted({made["automountServiceAccountToken"] for made in of_kind(variant, "ServiceAccount")})


@pytest.mark.parametrize("variant", GOLDEN)
def test_nothing_of_the_chart_is_taken_for_an_object_of_the_manager(variant: str) -> None:
    for made in objects(variant):
        labels = made["metadata"]["labels"]
        assert MANAGER != labels[MANAGED_BY]
        assert INSTANCE not in labels


@pytest.mark.parametrize("variant", GOLDEN)
def test_pods_are_as_locked_in_and_as_well_watched_as_those_of_gateways(variant: str) -> None:
    gateway = next(
        made for made in yaml.safe_load_all(GATEWAY.read_text(encoding="utf-8")) if made["kind"] == "Deployment"
    )["spec"]["template"]
    [model] = gateway["spec"]["containers"]
    deployments = of_kind(variant, "Deployment")
    assert deployments
    for made in deployments:
        pod = made["spec"]["template"]
        [container] = pod["spec"]["containers"]
        for name in (
            "securityContext",
            "startupProbe",
            "readinessProbe",
            "livenessProbe",
            "ports",
            "command",
            "lifecycle",
        ):
            assert model[name] == container[name], name
        role = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert role_args(role, "x", "y")[:2] + role_args(role, "x", "y")[3:] == container["args"]
        security = pod["spec"]["securityContext"]
        assert (True, {"type": "RuntimeDefault"}) == (security["runAsNonRoot"], security["seccompProfile"])
        assert {"QUICK_DATA_DIR": "/var/lib/quick", "HOME": "/tmp"} == {
            one["name"]: one["value"] for one in container["env"]
        }


@pytest.mark.parametrize("variant", ["default", "existing-secret"])
def test_metrics_are_announced_without_being_asked_for(variant: str) -> None:
    expected = {"prometheus.io/scrape": "true", "prometheus.io/port": "8081", "prometheus.io/path": "/metrics"}
    for made in of_kind(variant, "Deployment"):
        annotations = made["spec"]["template"]["metadata"]["annotations"]
        assert expected == {name: annotations[name] for name in expected}


@pytest.mark.parametrize("variant", GOLDEN)
def test_services_and_ingresses_lead_to_pods(variant: str) -> None:
    pods = {made["metadata"]["name"]: made["spec"]["template"] for made in of_kind(variant, "Deployment")}
    services = {made["metadata"]["name"]: made["spec"] for made in of_kind(variant, "Service")}
    assert set(pods) == set(services)
    for name, service in services.items():
        assert service["selector"].items() <= pods[name]["metadata"]["labels"].items()
        assert [80] == [port["port"] for port in service["ports"]]
    for made in of_kind(variant, "Ingress"):
        [path] = made["spec"]["rules"][0]["http"]["paths"]
        role = pods[path["backend"]["service"]["name"]]["metadata"]["labels"]["app.kubernetes.io/component"]
        assert f"/{role}" == path["path"]


def test_an_own_secret_and_a_registry_elsewhere_leave_nothing_to_make() -> None:
    kinds = {made["kind"] for made in objects("existing-secret")}
    assert not kinds & {"Secret", "Ingress", "NetworkPolicy", "PersistentVolumeClaim"}
    assert ["quick-ingest", "quick-manager"] == sorted(
        made["metadata"]["name"] for made in of_kind("existing-secret", "Deployment")
    )
    names = {
        source.get("secretRef", source.get("configMapRef"))["name"]
        for made in of_kind("existing-secret", "Deployment")
        for source in made["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    }
    assert {"quick-config", "admin-key", "kafka-login"} == names
