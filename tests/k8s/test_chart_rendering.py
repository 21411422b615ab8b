"""The chart as Helm renders it, compared with the files in `chart_golden/`; and what Helm refuses.

After a wanted change: `QUICK_UPDATE_GOLDEN=1 pytest tests/k8s/test_chart_rendering.py`, and look at the difference.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.k8s.helm import program

CHART = Path(__file__).parents[2] / "k8s" / "chart"
VALUES = Path(__file__).with_name("chart_values")
GOLDEN = Path(__file__).with_name("chart_golden")

VARIANTS = sorted(path.stem for path in VALUES.iterdir())

KAFKA = "kafka.bootstrapServer=kafka:9092"
KUBERNETES = "1.34.0"
"""For which version is rendered: Helm would otherwise take the one of its own libraries."""

_RANDOM_KEY = re.compile(r'(?<=QUICK_APIKEY: ")[A-Za-z0-9+/=]{60}(?=")')


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    program.need()


def helm(*arguments: str, code: int = 0) -> str:
    """Run Helm without a cluster, and return what it says on stdout, or on stderr when it is to fail."""
    with tempfile.TemporaryDirectory() as home:  # Helm makes a folder there.
        done = subprocess.run(
            [program.path(), *arguments],
            env={"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": f"{home}/config"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert code == done.returncode, done.stderr
    return done.stderr if code else done.stdout


def rendered(*arguments: str) -> str:
    """Return what the chart makes; with a mark in place of a random key."""
    made = helm("template", "eu", str(CHART), "--namespace", "shop", "--kube-version", KUBERNETES, *arguments)
    return _RANDOM_KEY.sub("<random>", made)


def refused(*settings: str) -> str:
    """Return why the chart refuses *settings*, which come beside the address of Kafka."""
    given = [f"--set={setting}" for setting in (KAFKA, *settings)]
    return helm("template", "eu", str(CHART), "--kube-version", KUBERNETES, *given, code=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_chart_renders_as_in_the_golden_file(variant: str) -> None:
    made, path = rendered("--values", str(VALUES / f"{variant}.yaml")), GOLDEN / f"{variant}.yaml"
    if os.environ.get("QUICK_UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made


@pytest.mark.parametrize("variant", VARIANTS)
def test_lint_has_no_complaint(variant: str) -> None:
    said = helm(
        "lint", str(CHART), "--strict", "--kube-version", KUBERNETES, "--values", str(VALUES / f"{variant}.yaml")
    )
    assert "0 chart(s) failed" in said


def test_a_random_key_is_long_and_another_one_each_time() -> None:
    made = [helm("template", "eu", str(CHART), "--kube-version", KUBERNETES, f"--set={KAFKA}") for _ in range(2)]
    keys = [_RANDOM_KEY.findall(text) for text in made]
    assert [1, 1] == [len(found) for found in keys]
    assert keys[0] != keys[1]


def test_without_the_address_of_kafka_nothing_is_rendered() -> None:
    said = helm("template", "eu", str(CHART), "--kube-version", KUBERNETES, code=1)
    assert "kafka.bootstrapServer is not set. Set it to the brokers as HOST:PORT" in said


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("kafka.bootstrapServer=kafka", "at '/kafka/bootstrapServer'"),
        ("kafka.securityProtocol=TLS", "at '/kafka/securityProtocol'"),
        ("kafka.sasl.mechanism=GSSAPI", "at '/kafka/sasl/mechanism'"),
        ("kafka.bootstrapServers=kafka:9092", "at '/kafka': additional properties 'bootstrapServers' not allowed"),
        ("kafka.ssl.ca=/etc/ca.pem", "at '/kafka/ssl/ca'"),
        ("image.pullPolicy=Sometimes", "at '/image/pullPolicy'"),
        ("image.tag=1@sha256:0", "at '/image/tag'"),
        ("ingress.host=https://quick.example.com", "at '/ingress/host'"),
        ("ingress.ssl=yes", "at '/ingress/ssl': got string, want boolean"),
        ("manager.replicaCount=-1", "at '/manager/replicaCount'"),
        ("manager.name=Quick", "at '/manager/name'"),
        ("manager.resources.limits.memory=1GB", "at '/manager/resources/limits/memory'"),
        ("manager.persistence.size=big", "at '/manager/persistence/size'"),
        ("schemaRegistry.url=http://me:secret@registry:8081", "at '/schemaRegistry/url'"),
        ("schemaRegistry.url=registry:8081", "at '/schemaRegistry/url'"),
        ("runAsUser=0", "at '/runAsUser'"),
        ("log4jConfig=x", "additional properties 'log4jConfig' not allowed"),
        ("quickConfig.quick-log-level=INFO", "invalid propertyName 'quick-log-level'"),
        ("quickConfig.QUICK_LOG_LEVEL.level=INFO", "at '/quickConfig/QUICK_LOG_LEVEL'"),
        ("networkPolicy.clients[0].podSelektor.a=b", "at '/networkPolicy/clients/0'"),
    ],
)
def test_a_value_of_a_wrong_kind_is_refused_at_its_place(setting: str, complaint: str) -> None:
    assert complaint in refused(setting)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (["kafka.securityProtocol=SASL_SSL"], "kafka.sasl.mechanism is not set"),
        (["kafka.securityProtocol=SASL_SSL", "kafka.sasl.mechanism=PLAIN"], "nothing says as whom"),
        (["kafka.sasl.password=x"], "kafka.sasl is set, but kafka.securityProtocol is PLAINTEXT"),
        (["kafka.ssl.ca=-----BEGIN CERTIFICATE-----"], "kafka.ssl.ca is set, but kafka.securityProtocol is PLAINTEXT"),
        (
            [
                *("kafka.securityProtocol=SASL_SSL", "kafka.sasl.mechanism=PLAIN", "kafka.existingSecret=login"),
                "kafka.sasl.password=x",
            ],
            "kafka.existingSecret and kafka.sasl.username or .password are both set",
        ),
        (
            ["quickConfig.QUICK_DEFUALT_REPLICAS=2"],
            "quickConfig.QUICK_DEFUALT_REPLICAS is no variable that Quick takes",
        ),
        (["quickConfig.QUICK_INGRESS_HOST=a"], "Set this instead: ingress.host."),
        (["quickConfig.QUICK_APIKEY=a"], "quickConfig.QUICK_APIKEY is secret"),
        (["manager.name=quick", "ingest.name=quick"], "each Service needs a name of its own"),
        (["manager.name=quick-mirror-a"], "is a name that a gateway, mirror or application could have"),
        (
            ["manager.persistence.enabled=true", "manager.replicaCount=2"],
            "manager.persistence.enabled allows one replica",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_the_way_out(settings: list[str], complaint: str) -> None:
    assert complaint in " ".join(refused(*settings).split())


def notes(folder: Path, *settings: str) -> str:
    """Return what people read after an installation; Helm itself shows it only where there is a cluster."""
    chart = shutil.copytree(CHART, folder, dirs_exist_ok=True)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text(f'{{{{- define "notes" }}}}{text}{{{{ end }}}}')
    (chart / "templates" / "notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | toJson }}\n')
    given = [f"--set={setting}" for setting in (KAFKA, *settings)]
    arguments = ("--namespace", "shop", "--kube-version", KUBERNETES, "--show-only", "templates/notes.yaml")
    shown: str = yaml.safe_load(helm("template", "eu", str(chart), *arguments, *given))["text"]
    return shown


def test_the_notes_say_where_the_key_is_and_how_to_use_it(tmp_path: Path) -> None:
    said = notes(tmp_path)
    assert "KEY=$(kubectl -n shop get secret api-key-secret -o jsonpath='{.data.QUICK_APIKEY}' | base64 -d)" in said
    assert "which was made for you" in said
    assert 'quick context create --context eu --host http://localhost:8080 --key "$KEY"' in said
    assert "ingress.host is not set" in said


def test_the_notes_name_the_address_and_the_secret_that_were_given(tmp_path: Path) -> None:
    said = notes(tmp_path, "ingress.host=quick.example.com", "existingSecret=admin-key")
    assert "get secret admin-key" in said
    assert "which was made for you" not in said
    assert 'quick context create --context eu --host https://quick.example.com --key "$KEY"' in said
    assert "ingress.host is not set" not in said


def test_hostile_values_stay_values() -> None:
    hostile = 'a"\n  injected: "yes'
    values = {"kafka": {"bootstrapServer": "kafka:9092"}, "apiKey": "k'\"{{", "quickConfig": {"HOSTILE": hostile}}
    done = subprocess.run(
        [program.path(), "template", "eu", str(CHART), "--kube-version", KUBERNETES, "--values", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [config] = [made for made in yaml.safe_load_all(done.stdout) if made["kind"] == "ConfigMap"]
    assert hostile == config["data"]["HOSTILE"]
    assert "injected" not in config["data"]
