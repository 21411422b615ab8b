from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import KafkaUnavailableError, SettingsError
from core.kafka import client_config, wait_until_ready
from core.kafka_security import KafkaSecurity, SaslMechanism, SecurityProtocol, without_kafka_security
from core.settings import Settings

REQUIRED = {"QUICK_KAFKA_BOOTSTRAP_SERVER": "localhost:9092", "QUICK_DATA_DIR": "/data", "QUICK_APIKEY": "secret"}

LOGIN = {
    "QUICK_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "QUICK_KAFKA_SASL_USERNAME": "quick",
    "QUICK_KAFKA_SASL_PASSWORD": "pass-word",
}

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_without_a_word_kafka_is_spoken_to_in_the_clear() -> None:
    assert {"security.protocol": "PLAINTEXT"} == KafkaSecurity.from_env({}).properties()


def test_all_that_is_said_reaches_librdkafka(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----")
    security = KafkaSecurity.from_env(
        {
            **LOGIN,
            "QUICK_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "QUICK_KAFKA_SSL_CA_PEM": PEM,
            "QUICK_KAFKA_SSL_CERTIFICATE_PEM": PEM,
            "QUICK_KAFKA_SSL_KEY_LOCATION": str(key),
            "QUICK_KAFKA_SSL_KEY_PASSWORD": "key-word",
            "QUICK_KAFKA_SSL_ENDPOINT_IDENTIFICATION": "none",
        }
    )
    assert {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "quick",
        "sasl.password": "pass-word",
        "ssl.ca.pem": PEM,
        "ssl.certificate.pem": PEM,
        "ssl.key.location": str(key),
        "ssl.key.password": "key-word",
        "ssl.endpoint.identification.algorithm": "none",
    } == security.properties()


def test_the_host_of_a_certificate_is_checked_unless_told_otherwise() -> None:
    properties = KafkaSecurity.from_env({"QUICK_KAFKA_SECURITY_PROTOCOL": "SSL"}).properties()
    assert {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "https"} == properties


def test_secrets_are_never_printed() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nprivate"
    more = {
        "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "QUICK_KAFKA_SSL_CERTIFICATE_PEM": PEM,
        "QUICK_KAFKA_SSL_KEY_PEM": key,
        "QUICK_KAFKA_SSL_KEY_PASSWORD": "key-word",
    }
    shown = repr(Settings.from_env({**REQUIRED, **LOGIN, **more}))
    assert "username='quick'" in shown
    assert not [secret for secret in ("pass-word", "key-word", "private") if secret in shown]


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("QUICK_KAFKA_SECURITY_PROTOCOL", "TLS", "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("QUICK_KAFKA_SASL_MECHANISM", "GSSAPI", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("QUICK_KAFKA_SSL_CA_LOCATION", "/there/is/none", "there is no such file"),
        ("QUICK_KAFKA_SSL_ENDPOINT_IDENTIFICATION", "http", "https or none"),
        ("QUICK_KAFKA_SSL_CA_PEM", "/etc/ca.pem", "not a file's name"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str, meaning: str) -> None:
    given = {**REQUIRED, **LOGIN, "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", name: value}
    with pytest.raises(SettingsError, match=f"{name}.* cannot be used: .*{re.escape(meaning)}"):
        Settings.from_env(given)


@pytest.mark.parametrize("missing", LOGIN)
def test_a_login_lacks_nothing(missing: str) -> None:
    given = {**LOGIN, "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", missing: ""}
    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        KafkaSecurity.from_env(given)


def test_a_key_that_is_no_key_is_not_shown() -> None:
    given = {"QUICK_KAFKA_SECURITY_PROTOCOL": "SSL", "QUICK_KAFKA_SSL_CERTIFICATE_PEM": PEM}
    with pytest.raises(SettingsError, match="QUICK_KAFKA_SSL_KEY_PEM cannot be used") as raised:
        KafkaSecurity.from_env({**given, "QUICK_KAFKA_SSL_KEY_PEM": "MIIEvQ"})
    assert "MIIEvQ" not in str(raised.value)


@pytest.mark.parametrize(
    ("protocol", "name", "way_out"),
    [
        ("PLAINTEXT", "QUICK_KAFKA_SASL_PASSWORD", "SASL_SSL or SASL_PLAINTEXT"),
        ("SSL", "QUICK_KAFKA_SASL_USERNAME", "SASL_SSL or SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "QUICK_KAFKA_SSL_CA_PEM", "SSL or SASL_SSL"),
    ],
)
def test_what_would_have_no_effect_is_refused(protocol: str, name: str, way_out: str) -> None:
    given = {"QUICK_KAFKA_SECURITY_PROTOCOL": protocol, name: "x"}
    with pytest.raises(SettingsError, match=f"{name} is set, .* is {protocol}, .* to {way_out}"):
        KafkaSecurity.from_env(given)


@pytest.mark.parametrize("there", ["CERTIFICATE", "KEY"])
def test_a_certificate_and_its_key_go_together(there: str) -> None:
    given = {"QUICK_KAFKA_SECURITY_PROTOCOL": "SSL", f"QUICK_KAFKA_SSL_{there}_PEM": PEM}
    with pytest.raises(SettingsError, match=f"SSL_{there}_… is set without"):
        KafkaSecurity.from_env(given)


def test_a_file_and_a_text_for_the_same_thing_are_refused() -> None:
    given = {"QUICK_KAFKA_SECURITY_PROTOCOL": "SSL", "QUICK_KAFKA_SSL_CA_PEM": PEM, "QUICK_KAFKA_SSL_CA_LOCATION": "/"}
    with pytest.raises(SettingsError, match="CA_LOCATION and QUICK_KAFKA_SSL_CA_PEM are both set"):
        KafkaSecurity.from_env(given)


def test_settings_tell_how_kafka_is_spoken_to() -> None:
    security = Settings.from_env(
        {**REQUIRED, **LOGIN, "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    ).kafka_security
    assert security.login is not None
    assert (SecurityProtocol.SASL_PLAINTEXT, SaslMechanism.SCRAM_SHA_512) == (
        security.protocol,
        security.login.mechanism,
    )


def test_each_client_takes_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**LOGIN, "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}.items():
        monkeypatch.setenv(name, value)
    config = client_config("localhost:9092", group_id="all")
    assert ("SASL_PLAINTEXT", "pass-word", "all") == (
        config["security.protocol"],
        config["sasl.password"],
        config["group.id"],
    )


def test_a_broker_of_our_own_is_spoken_to_in_the_clear() -> None:
    environ = {**LOGIN, "QUICK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "QUICK_KAFKA_SSL_CA_PEM": PEM, **REQUIRED}
    without_kafka_security(environ)
    assert REQUIRED == environ


def test_certificates_that_cannot_be_read_are_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICK_KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("QUICK_KAFKA_SSL_CA_PEM", PEM)
    with pytest.raises(SettingsError, match=r"cannot be spoken to as QUICK_KAFKA_… say: .*ssl.ca.pem"):
        wait_until_ready("localhost:1", 0)


def test_a_broker_that_is_not_there_is_unavailable_and_no_mistake_in_the_settings(
    monkeypatch: pytest.MonkeyPatch, free_port: object
) -> None:
    assert callable(free_port)
    monkeypatch.setenv("QUICK_KAFKA_SECURITY_PROTOCOL", "SSL")
    with pytest.raises(KafkaUnavailableError, match="No Kafka broker answers"):
        wait_until_ready(f"127.0.0.1:{free_port()}", 0)
