"""What a process is told by its environment, read once at its start."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.environment import Environment, between, http_url, one_of, seconds, yes_or_no
from core.errors import SettingsError
from core.gateway_settings import GatewaySettings
from core.kafka_security import KafkaSecurity
from core.mirror_shares import MAX_REPLICAS, Share
from core.registered_schema import SchemaFormat
from core.rest_settings import RestSettings
from core.roles import Role

PROTOBUF_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_TOPIC_NAME = 249
_OWN_TOPIC = re.compile(rf"__[A-Za-z0-9._-]{{1,{_MAX_TOPIC_NAME - 2}}}")
_ADDRESS = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.%]+\]):([0-9]{1,5})")
_ORDINAL = re.compile(r"-([0-9]{1,6})$")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/*,@]+")
AVRO_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]+(\.[A-Za-z_][A-Za-z0-9_]+)*")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process. Each field names its environment variable, its unit and its default."""

    kafka: str
    """`QUICK_KAFKA_BOOTSTRAP_SERVER`: brokers as `HOST:PORT[,HOST:PORT…]`. Required."""

    data_dir: Path
    """`QUICK_DATA_DIR`: folder of the local views. Everything in it can be deleted and comes back. Required."""

    api_key: str = field(repr=False)
    """`QUICK_APIKEY`: the administrator's key, expected in the header `X-API-Key`. Required, never printed."""

    kafka_security: KafkaSecurity = field(default_factory=KafkaSecurity)
    """`QUICK_KAFKA_SECURITY_PROTOCOL`, `QUICK_KAFKA_SASL_…`, `QUICK_KAFKA_SSL_…`: how all clients speak to Kafka. Read
    here so that a mistake is told at the start; each client takes it from the environment itself (core.kafka)."""

    log_topic: str = "__quick-log"
    """`QUICK_LOG_TOPIC`: the topic of the command log."""

    status_topic: str = "__quick-status"
    """`QUICK_STATUS_TOPIC`: the compacted topic with the last outcome of each reconciled thing."""

    named_registry_topic: str | None = None
    """`QUICK_TOPIC_REGISTRY_TOPIC_NAME`: the topic that the registry is published in for other programs; its name
    begins with `__`. Without one see `registry_topic`."""

    partitions: int = 3
    """`QUICK_KAFKA_INTERNAL_PARTITIONS`: partitions of a new data topic, at least 1."""

    replication_factor: int = 1
    """`QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR`: replicas of new topics, 1 to 16."""

    avro_namespace: str = "quick"
    """`QUICK_SCHEMA_AVRO_NAMESPACE`: namespace of the Avro schemas made from gateway types."""

    schema_format: SchemaFormat = SchemaFormat.AVRO
    """`QUICK_SCHEMA_FORMAT`: how topics that ask for no format write records of type schema, `Avro` or `Protobuf`."""

    protobuf_package: str = "quick"
    """`QUICK_SCHEMA_PROTOBUF_PACKAGE`: package of the Protobuf schemas made from gateway types."""

    legacy_schemas: bool = False
    """`QUICK_SCHEMA_LEGACY`: make schemas as bakdata/quick does, `Float` with 32 bits and fields by the alphabet."""

    schema_registry_url: str | None = field(default=None, repr=False)
    """`QUICK_KAFKA_SCHEMA_REGISTRY_URL`: a schema registry that gives the IDs; without one, ours does. May carry
    `user:password@`, so it is never printed."""

    default_replicas: int = 1
    """`QUICK_DEFAULT_REPLICAS`: replicas of a gateway, mirror or application that asks for no number."""

    default_image_tag: str = "0.1.0"
    """`QUICK_DEFAULT_IMAGE_TAG`: tag shown for gateways and mirrors that ask for none."""

    effect_timeout_s: float = 30.0
    """`QUICK_EFFECT_TIMEOUT_S`: seconds that a command waits for its effect before it answers 504."""

    rest: RestSettings = field(default_factory=RestSettings)
    """`QUICK_REST_…`: what gateways may call for fields with `@rest`."""

    gateway_row_cache_mb: int = 32
    """`QUICK_GATEWAY_ROW_CACHE_MB`: megabytes of decoded rows that gateways keep in each worker; 0 for none."""

    cors_origins: tuple[str, ...] = ("*",)
    """`QUICK_CORS_ORIGINS`: origins, divided by commas, whose pages may send requests from a browser; `*` is any,
    `none` none. A browser sends no cookies along: whoever asks needs an API key that the page knows."""

    gzip_level: int = 1
    """`QUICK_GZIP_LEVEL`: how hard JSON answers of gateways and mirrors are compressed for clients that take gzip, 1
    to 9; 0 never. 1 MB of records takes 6 ms of one core at level 1 and leaves 18 %, 11 ms at level 5 and 14 %."""

    role: Role = Role.ALL
    """`QUICK_ROLE`: what this process is there for; `quick serve` sets it."""

    served: str | None = None
    """`QUICK_SERVED`: the topic of a mirror, or the gateway, that this process is there for; `quick serve` sets it."""

    has_management: bool = False
    """`QUICK_HAS_MANAGEMENT`: health and figures have a port of their own; `quick serve` sets it."""

    advertised_address: str = ""
    """`QUICK_ADVERTISED_ADDRESS`: `HOST:PORT` under which other processes reach a mirror; `quick serve` sets it to
    where it listens when nobody has."""

    mirror_lease_s: float = 15.0
    """`QUICK_MIRROR_LEASE_S`: seconds after which a replica of a mirror that says nothing more is not asked while there
    are others, at least 1."""

    mirror_share: Share | None = None
    """What a replica of a mirror holds of its keys, `None` for all. `QUICK_MIRROR_COPIES`: how many replicas hold each
    key, of as many as `QUICK_MIRROR_REPLICAS` says. The number of this one is the end of `POD_NAME`."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    """What GraphQL gateways take; its variables begin with `QUICK_GRAPHQL_`."""

    @property
    def registry_topic(self) -> str:
        """Return the topic that the registry is published in."""
        return self.named_registry_topic or registry_topic_beside(self.log_topic)

    def machine_name(self) -> str:
        """Return a name that this machine's data folder has again after a restart, and no other one has."""
        digest = hashlib.sha256(str(self.data_dir.absolute()).encode()).hexdigest()[:12]
        return f"{platform.node()}-{digest}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from *environ*.

        Raises:
            SettingsError: A required variable is missing, or one has a value that it cannot take.
        """
        env = Environment(environ)
        return cls(
            kafka=env.required("QUICK_KAFKA_BOOTSTRAP_SERVER", str, "brokers as HOST:PORT"),
            data_dir=env.required("QUICK_DATA_DIR", Path, "a folder that this process may write to"),
            api_key=env.required("QUICK_APIKEY", str, "the key that clients send as X-API-Key"),
            kafka_security=KafkaSecurity.from_env(environ),
            log_topic=env.optional("QUICK_LOG_TOPIC", str, cls.log_topic),
            status_topic=env.optional("QUICK_STATUS_TOPIC", str, cls.status_topic),
            named_registry_topic=env.optional("QUICK_TOPIC_REGISTRY_TOPIC_NAME", own_topic_name, None),
            partitions=env.optional("QUICK_KAFKA_INTERNAL_PARTITIONS", between(1, 100_000), cls.partitions),
            replication_factor=env.optional(
                "QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR", between(1, 16), cls.replication_factor
            ),
            avro_namespace=env.optional("QUICK_SCHEMA_AVRO_NAMESPACE", _avro_namespace, cls.avro_namespace),
            schema_format=env.optional("QUICK_SCHEMA_FORMAT", SchemaFormat.parse, cls.schema_format),
            protobuf_package=env.optional("QUICK_SCHEMA_PROTOBUF_PACKAGE", _protobuf_package, cls.protobuf_package),
            legacy_schemas=env.optional("QUICK_SCHEMA_LEGACY", yes_or_no, cls.legacy_schemas),
            schema_registry_url=env.optional("QUICK_KAFKA_SCHEMA_REGISTRY_URL", http_url, None),
            default_replicas=env.optional("QUICK_DEFAULT_REPLICAS", between(1, 10_000), cls.default_replicas),
            default_image_tag=env.optional("QUICK_DEFAULT_IMAGE_TAG", str, cls.default_image_tag),
            gateway_row_cache_mb=env.optional(
                "QUICK_GATEWAY_ROW_CACHE_MB", between(0, 100_000), cls.gateway_row_cache_mb
            ),
            effect_timeout_s=env.optional("QUICK_EFFECT_TIMEOUT_S", seconds, cls.effect_timeout_s),
            cors_origins=env.optional("QUICK_CORS_ORIGINS", _origins, cls.cors_origins),
            gzip_level=env.optional("QUICK_GZIP_LEVEL", between(0, 9), cls.gzip_level),
            role=env.optional("QUICK_ROLE", one_of(Role), cls.role),
            served=env.optional("QUICK_SERVED", str, cls.served),
            has_management=env.optional("QUICK_HAS_MANAGEMENT", yes_or_no, cls.has_management),
            advertised_address=env.optional("QUICK_ADVERTISED_ADDRESS", _address, cls.advertised_address),
            mirror_lease_s=env.optional("QUICK_MIRROR_LEASE_S", _lease, cls.mirror_lease_s),
            mirror_share=_mirror_share(env),
            gateway=GatewaySettings.read(env),
            rest=RestSettings.read(env),
        )


def registry_topic_beside(log_topic: str) -> str:
    """Return the name of the registry's topic for a log: two logs in one Kafka must not publish in the same one."""
    if log_topic == Settings.log_topic:
        return "__topic-registry"
    name = f"__topic-registry-{log_topic}"
    if len(name) <= _MAX_TOPIC_NAME:
        return name
    return f"__topic-registry-{hashlib.sha256(log_topic.encode()).hexdigest()[:32]}"


def own_topic_name(text: str) -> str:
    """Return *text* when it can be the name of a topic of the system's own."""
    if not _OWN_TOPIC.fullmatch(text):
        raise ValueError("it takes the name of a topic that begins with __, such as __topic-registry")
    return text


def _origins(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "none":
        return ()
    origins = tuple(origin.strip().rstrip("/") for origin in text.split(","))
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("it takes *, none, or origins such as https://shop.example, divided by commas")
    return origins


def _address(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 65_535:  # noqa: PLR2004 - the last port
        raise ValueError("it takes HOST:PORT, such as mirror-0.mirrors:8080")
    return text


def _mirror_share(env: Environment) -> Share | None:
    """Return what a replica of a mirror holds, `None` for everything.

    Raises:
        SettingsError: There are more copies than replicas, or the replica has no number among them.
    """
    replicas = env.optional("QUICK_MIRROR_REPLICAS", between(1, MAX_REPLICAS), 0)
    copies = env.optional("QUICK_MIRROR_COPIES", between(1, MAX_REPLICAS), 0)
    if not replicas or not copies:
        return None  # The number of copies is one for all mirrors; that of replicas is given to those that share.
    if copies > replicas:
        raise SettingsError(
            f"QUICK_MIRROR_COPIES is {copies}, and there are {replicas} replicas (QUICK_MIRROR_REPLICAS)."
            " Choose as many copies as there are replicas, or fewer."
        )
    number = env.optional("POD_NAME", _ordinal, -1)
    if not 0 <= number < replicas:
        raise SettingsError(
            f"POD_NAME is to end with the number of the replica, from 0 to {replicas - 1}, as that of a pod of a"
            " StatefulSet does: with QUICK_MIRROR_REPLICAS and QUICK_MIRROR_COPIES it decides what the replica holds."
        )
    return None if copies == replicas else Share(replicas, copies, number)


def _ordinal(text: str) -> int:
    match = _ORDINAL.search(text)
    return -1 if match is None else int(match[1])


def _lease(text: str) -> float:
    if (number := seconds(text)) < 1:
        raise ValueError("it takes a number of seconds, at least 1")
    return number


def _protobuf_package(text: str) -> str:
    if not PROTOBUF_PACKAGE.fullmatch(text):
        raise ValueError("it takes dot-separated names of letters, digits or '_', each starting with a letter or '_'")
    return text


def _avro_namespace(text: str) -> str:
    if not AVRO_NAMESPACE.fullmatch(text):
        raise ValueError(
            f"The Avro namespace {text} does not fulfill the naming convention of Avro specification."
            " Use dot-separated names of at least two letters, digits or '_', each starting with a letter or '_'."
        )
    return text
