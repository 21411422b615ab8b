"""How Kafka is spoken to: in the clear or over TLS, and as whom.

Every client takes this from the environment of its process: the environment is the same for all of them, and no
client that somebody adds later can forget it. Certificates and keys are given as files, or as PEM text, which fits
into what a container gets by reference to a ConfigMap or a Secret.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from core.environment import Environment, file_or_folder
from core.errors import SettingsError

_PREFIX: Final = "QUICK_KAFKA_"


class SecurityProtocol(StrEnum):
    """What connections are made of."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def has_login(self) -> bool:
        """Return whether the broker wants to know who is there."""
        return self.startswith("SASL_")

    @property
    def has_tls(self) -> bool:
        """Return whether connections are encrypted."""
        return self.endswith("SSL")


class SaslMechanism(StrEnum):
    """How a name is proved with a password."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, kw_only=True)
class SaslLogin:
    """As whom Kafka is spoken to."""

    mechanism: SaslMechanism
    """`QUICK_KAFKA_SASL_MECHANISM`: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."""

    username: str
    """`QUICK_KAFKA_SASL_USERNAME`."""

    password: str = field(repr=False)
    """`QUICK_KAFKA_SASL_PASSWORD`: never printed."""

    def properties(self) -> dict[str, str]:
        """Return it as librdkafka takes it."""
        return {
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
        }


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Whom to believe, and what to show. Of a file and a text for the same thing, at most one is there."""

    ca_location: Path | None = None
    """`QUICK_KAFKA_SSL_CA_LOCATION`: file or folder of the certificates to believe; the system's by default."""

    ca_pem: str | None = None
    """`QUICK_KAFKA_SSL_CA_PEM`: the same as text."""

    certificate_location: Path | None = None
    """`QUICK_KAFKA_SSL_CERTIFICATE_LOCATION`: file of the certificate that the broker is shown."""

    certificate_pem: str | None = None
    """`QUICK_KAFKA_SSL_CERTIFICATE_PEM`: the same as text."""

    key_location: Path | None = None
    """`QUICK_KAFKA_SSL_KEY_LOCATION`: file of its private key."""

    key_pem: str | None = field(default=None, repr=False)
    """`QUICK_KAFKA_SSL_KEY_PEM`: the same as text; never printed."""

    key_password: str | None = field(default=None, repr=False)
    """`QUICK_KAFKA_SSL_KEY_PASSWORD`: of the private key; never printed."""

    checks_host: bool = True
    """`QUICK_KAFKA_SSL_ENDPOINT_IDENTIFICATION`: `https`, the broker's certificate must be for its host; or `none`."""

    def properties(self) -> dict[str, str]:
        """Return it as librdkafka takes it."""
        given = {
            "ssl.ca.location": self.ca_location,
            "ssl.ca.pem": self.ca_pem,
            "ssl.certificate.location": self.certificate_location,
            "ssl.certificate.pem": self.certificate_pem,
            "ssl.key.location": self.key_location,
            "ssl.key.pem": self.key_pem,
            "ssl.key.password": self.key_password,
        }
        return {
            "ssl.endpoint.identification.algorithm": "https" if self.checks_host else "none",
            **{name: str(value) for name, value in given.items() if value is not None},
        }


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """How each client of this process speaks to Kafka."""

    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    """`QUICK_KAFKA_SECURITY_PROTOCOL`: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."""

    login: SaslLogin | None = None
    """`QUICK_KAFKA_SASL_…`: there where the protocol has one."""

    tls: TlsSettings | None = None
    """`QUICK_KAFKA_SSL_…`: there where the protocol has it."""

    def properties(self) -> dict[str, str]:
        """Return it as librdkafka takes it."""
        return {
            "security.protocol": self.protocol,
            **(self.login.properties() if self.login else {}),
            **(self.tls.properties() if self.tls else {}),
        }

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> KafkaSecurity:
        """Read it from *environ*.

        Raises:
            SettingsError: A variable has no usable value, lacks another one, or would have no effect.
        """
        env = Environment(environ)
        protocol = env.optional(f"{_PREFIX}SECURITY_PROTOCOL", _protocol, cls.protocol)
        _refuse_idle(environ, protocol, "SASL_", is_used=protocol.has_login)
        _refuse_idle(environ, protocol, "SSL_", is_used=protocol.has_tls)
        return cls(
            protocol=protocol,
            login=_login(env) if protocol.has_login else None,
            tls=_tls(env, environ) if protocol.has_tls else None,
        )


def without_kafka_security(environ: MutableMapping[str, str]) -> None:
    """Take all variables of this module out of *environ*: for a broker that is no one but ours, on this machine."""
    for name in [name for name in environ if name.startswith((f"{_PREFIX}SASL_", f"{_PREFIX}SSL_"))]:
        del environ[name]
    environ.pop(f"{_PREFIX}SECURITY_PROTOCOL", None)


def _login(env: Environment) -> SaslLogin:
    mechanisms = f"one of {', '.join(SaslMechanism)}"
    return SaslLogin(
        mechanism=env.required(f"{_PREFIX}SASL_MECHANISM", _mechanism, mechanisms),
        username=env.required(f"{_PREFIX}SASL_USERNAME", str, "the name that Kafka knows"),
        password=env.required(f"{_PREFIX}SASL_PASSWORD", str, "the password of that name"),
    )


def _tls(env: Environment, environ: Mapping[str, str]) -> TlsSettings:
    has_certificate, has_key = (_has_one(environ, what) for what in ("CERTIFICATE", "KEY"))
    _has_one(environ, "CA")
    if has_certificate != has_key:
        there, missing = ("CERTIFICATE", "KEY") if has_certificate else ("KEY", "CERTIFICATE")
        raise SettingsError(
            f"{_PREFIX}SSL_{there}_… is set without {_PREFIX}SSL_{missing}_…. A certificate and its private key go"
            f" together: set {_PREFIX}SSL_{missing}_LOCATION to a file, or {_PREFIX}SSL_{missing}_PEM to its text."
        )
    return TlsSettings(
        ca_location=env.optional(f"{_PREFIX}SSL_CA_LOCATION", file_or_folder, None),
        ca_pem=env.secret(f"{_PREFIX}SSL_CA_PEM", _pem, None),
        certificate_location=env.optional(f"{_PREFIX}SSL_CERTIFICATE_LOCATION", file_or_folder, None),
        certificate_pem=env.secret(f"{_PREFIX}SSL_CERTIFICATE_PEM", _pem, None),
        key_location=env.optional(f"{_PREFIX}SSL_KEY_LOCATION", file_or_folder, None),
        key_pem=env.secret(f"{_PREFIX}SSL_KEY_PEM", _pem, None),
        key_password=env.secret(f"{_PREFIX}SSL_KEY_PASSWORD", str, None),
        checks_host=env.optional(f"{_PREFIX}SSL_ENDPOINT_IDENTIFICATION", _checks_host, TlsSettings.checks_host),
    )


def _has_one(environ: Mapping[str, str], what: str) -> bool:
    """Return whether a file or a text is given for *what*."""
    names = [name for form in ("LOCATION", "PEM") if environ.get(name := f"{_PREFIX}SSL_{what}_{form}")]
    if len(names) > 1:
        raise SettingsError(f"{names[0]} and {names[1]} are both set. Keep one of them.")
    return bool(names)


def _refuse_idle(environ: Mapping[str, str], protocol: SecurityProtocol, prefix: str, *, is_used: bool) -> None:
    """Refuse what somebody set to be safe, and which would do nothing."""
    idle = sorted(name for name, value in environ.items() if name.startswith(_PREFIX + prefix) and value)
    if idle and not is_used:
        wanted = "SASL_SSL or SASL_PLAINTEXT" if prefix == "SASL_" else "SSL or SASL_SSL"
        raise SettingsError(
            f"{idle[0]} is set, but {_PREFIX}SECURITY_PROTOCOL is {protocol}, which makes no use of it. Set"
            f" {_PREFIX}SECURITY_PROTOCOL to {wanted}, or remove the variable."
        )


def _protocol(text: str) -> SecurityProtocol:
    try:
        return SecurityProtocol(text.upper())
    except ValueError:
        raise ValueError(f"it takes {', '.join(SecurityProtocol)}") from None


def _mechanism(text: str) -> SaslMechanism:
    try:
        return SaslMechanism(text.upper())
    except ValueError:
        raise ValueError(f"it takes {', '.join(SaslMechanism)}") from None


def _pem(text: str) -> str:
    if "-----BEGIN " not in text:
        raise ValueError("it takes text in PEM format, with its lines from -----BEGIN to -----END; not a file's name")
    return text


def _checks_host(text: str) -> bool:
    if text.lower() not in {"https", "none"}:
        raise ValueError("it takes https or none")
    return text.lower() == "https"
