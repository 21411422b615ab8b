"""Quick over a broker that takes nobody in without TLS and a password: all its clients at once."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.local_kafka import LocalKafka
from cli.ports import free_port
from core.errors import KafkaUnavailableError
from core.kafka import wait_until_ready
from tests.running import Running, until

PASSWORD = "a-pass-word"

PROPERTIES = """
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="broker" password="{password}" user_broker="{password}" user_quick="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""


class GuardedKafka(LocalKafka):
    """A broker that speaks TLS and knows the user `quick`."""

    def _write_properties(self, data: Path) -> Path:
        file = super()._write_properties(data)
        text = file.read_text().replace("PLAINTEXT://", "SASL_SSL://")
        file.write_text(text + PROPERTIES.format(password=PASSWORD, folder=self.folder))
        return file


def make_certificate(folder: Path) -> str:
    """Make a certificate for this machine that is its own authority, and return it as text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quick-test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir()
    (folder / "ca.pem").write_text(text)
    (folder / "broker.pem").write_text(private.decode() + text)
    return text


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return what a process is told to get into the broker, which runs meanwhile."""
    folder = tmp_path_factory.mktemp("guarded")
    told = {
        "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "QUICK_KAFKA_SASL_MECHANISM": "PLAIN",
        "QUICK_KAFKA_SASL_USERNAME": "quick",
        "QUICK_KAFKA_SASL_PASSWORD": PASSWORD,
        "QUICK_KAFKA_SSL_CA_PEM": make_certificate(folder / "kafka"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        with GuardedKafka(folder) as broker:
            yield {**told, "QUICK_KAFKA_BOOTSTRAP_SERVER": broker.bootstrap}


def test_a_login_is_enough_for_all_that_quick_does(login: dict[str, str], tmp_path: Path) -> None:
    running = Running(login["QUICK_KAFKA_BOOTSTRAP_SERVER"], tmp_path, free_port(), settings=login)
    running.start()
    try:
        running.quick("topic", "create", "hello", "--key", "string", "--value", "string")
        running.include("hello", running.ingest("hello", {"key": "a", "value": "one"}))
        with running.http() as http:
            written = http.post("/ingest/hello", params={"atomic": "true"}, json=[{"key": "b", "value": "two"}])
            assert 200 == written.status_code, written.text
            at_least = {"Quick-At-Least": written.json()["position"]}
            assert "two" == http.get("/mirror/hello/mirror/b", headers=at_least).json()["value"]
            assert "one" == http.get("/mirror/hello/mirror/a").json()["value"]
    finally:
        running.stop()


def test_a_wrong_password_is_told(login: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICK_KAFKA_SASL_PASSWORD", "another-word")
    why = why_not(login["QUICK_KAFKA_BOOTSTRAP_SERVER"], r"No Kafka broker answers at .*SASL authentication")
    assert "another-word" not in why


def test_a_broker_that_another_authority_vouches_for_is_told(
    login: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUICK_KAFKA_SSL_CA_PEM", make_certificate(tmp_path / "another"))
    why_not(login["QUICK_KAFKA_BOOTSTRAP_SERVER"], r"No Kafka broker .*(handshake|certificate verify) failed")


def why_not(kafka: str, expected: str) -> str:
    """Return why nobody gets into a broker, once it is told as *expected*: a busy one may not have said it yet."""
    told: list[str] = []

    def is_told() -> bool:
        with pytest.raises(KafkaUnavailableError) as raised:
            wait_until_ready(kafka, 3)
        told.append(str(raised.value))
        return re.match(expected, told[-1]) is not None

    until(is_told)
    return told[-1]
