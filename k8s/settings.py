"""What an operator says about the objects that Quick makes in Kubernetes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from core.environment import Environment, between, http_url, yes_or_no
from core.errors import SettingsError
from core.mirror_shares import MAX_REPLICAS
from core.settings import Settings, own_topic_name, registry_topic_beside
from k8s.names import MAX_LENGTH, is_label, is_own
from k8s.quantities import parse_quantity

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL)
_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_ENTRY_POINTS: Final = re.compile(r"[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+)*")
_PATH_PART: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REGISTRY: Final = re.compile(rf"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{{1,5}})?(/{_PATH_PART})*")
_IMAGE: Final = re.compile(rf"{_PATH_PART}(/{_PATH_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BROKERS: Final = re.compile(r"[^\s,]+:[0-9]+(,[^\s,]+:[0-9]+)*")
_CHECKSUM: Final = re.compile(r"[A-Za-z0-9]{1,128}")
_MAX_USER: Final = 2**31 - 1


class PullPolicy(StrEnum):
    """When a node asks a registry for an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"

    @classmethod
    def parse(cls, text: str) -> PullPolicy:
        """Return the policy that *text* names in any spelling: `IfNotPresent`, `if-not-present`, `IF_NOT_PRESENT`."""
        wanted = re.sub("[ _-]", "", text).lower()
        for policy in cls:
            if policy.lower() == wanted:
                return policy
        raise ValueError(f"it takes one of {', '.join(cls)}")


class Drift(StrEnum):
    """What becomes of an object that somebody else has changed."""

    REVERT = "revert"
    REPORT = "report"

    @classmethod
    def parse(cls, text: str) -> Drift:
        """Return what *text* names in any letter case."""
        try:
            return cls(text.lower())
        except ValueError:
            raise ValueError(f"it takes {' or '.join(cls)}") from None


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What each container may use, and is promised; quantities as Kubernetes writes them."""

    memory_limit: str = "1G"
    """`QUICK_APPLICATIONS_SPEC_RESOURCES_MEMORY_LIMIT`."""

    memory_request: str = "256Mi"
    """`QUICK_APPLICATIONS_SPEC_RESOURCES_MEMORY_REQUEST`."""

    cpu_limit: str = "1"
    """`QUICK_APPLICATIONS_SPEC_RESOURCES_CPU_LIMIT`."""

    cpu_request: str = "0.1"
    """`QUICK_APPLICATIONS_SPEC_RESOURCES_CPU_REQUEST`."""


@dataclass(frozen=True, kw_only=True)
class IngressSettings:
    """How gateways are reached from outside the cluster."""

    host: str | None = None
    """`QUICK_INGRESS_HOST`: the host of their addresses; without one, they answer on every host."""

    ssl: bool = True
    """`QUICK_INGRESS_SSL`: whether Traefik takes TLS for them."""

    entrypoint: str = "websecure"
    """`QUICK_INGRESS_ENTRYPOINT`: Traefik's entry points; `web` by default where there is no TLS."""

    ingress_class: str = "traefik"
    """`QUICK_INGRESS_CLASS`: the class of the Ingress."""


@dataclass(frozen=True, kw_only=True)
class TopicRegistrySettings:
    """The mirror of the registry that is published outward."""

    is_enabled: bool = False
    """`QUICK_MANAGER_CREATE_TOPIC_REGISTRY`: whether it runs."""

    topic: str = registry_topic_beside(Settings.log_topic)
    """`QUICK_TOPIC_REGISTRY_TOPIC_NAME`: the topic that the registry is published in; see `core.settings`."""

    service: str = "internal-topic-registry"
    """`QUICK_TOPIC_REGISTRY_SERVICE_NAME`: name of its objects."""


@dataclass(frozen=True, kw_only=True)
class KubernetesSettings:
    """The settings of everything in Kubernetes. Each field names its environment variable and its default."""

    namespace: str = "default"
    """`KUBERNETES_CLIENT_NAMESPACE`: where all objects are."""

    instance: str | None = None
    """`QUICK_K8S_INSTANCE`: the label that tells the objects of this Quick from another one's in the namespace; without
    one, a name made from the identity of the command log."""

    drift: Drift = Drift.REVERT
    """`QUICK_K8S_DRIFT`: `revert` what others change in our objects, or only `report` it."""

    updates_images: bool = True
    """`QUICK_MANAGER_UPDATE_MANAGED_IMAGES`: whether mirrors and gateways without a tag of their own go with the
    default one when it changes; else they keep the image that they were made with."""

    registry: str | None = None
    """`QUICK_DOCKER_REGISTRY`: where Quick's image is; without one, the nodes' default."""

    image: str = "quick"
    """`QUICK_IMAGE_NAME`: name of the image that has all roles."""

    default_tag: str = Settings.default_image_tag
    """`QUICK_DEFAULT_IMAGE_TAG`: its tag for gateways and mirrors that ask for none."""

    image_pull_secret: str | None = None
    """`QUICK_IMAGE_PULL_SECRET`: the Secret with which nodes get Quick's image."""

    pull_policy: PullPolicy = PullPolicy.ALWAYS
    """`QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY`: `Always`, `IfNotPresent` or `Never`, in any spelling."""

    resources: Resources = field(default_factory=Resources)
    """`QUICK_APPLICATIONS_SPEC_RESOURCES_…`: of gateways, mirrors and applications."""

    run_as_user: int = 10_001
    """`QUICK_K8S_RUN_AS_USER`: user and group that gateways and mirrors run as."""

    application_user: int | None = None
    """`QUICK_APPLICATIONS_SPEC_RUN_AS_USER`: the same for applications; without one, their images say, and some want
    to be root."""

    config: str = "quick-config"
    """`QUICK_K8S_CONFIG`: the ConfigMap with the settings that all processes share."""

    config_checksum: str | None = None
    """`QUICK_K8S_CONFIG_CHECKSUM`: a hash of what else is in there, made by the chart: gateways and mirrors are rolled
    when it changes. Applications are not: what they are told of Kafka stands in their arguments."""

    api_key_secret: str = "api-key-secret"  # noqa: S105 - what the Secret is called, not what is in it
    """`QUICK_K8S_API_KEY_SECRET`: the Secret with `QUICK_APIKEY`."""

    kafka_secret: str | None = None
    """`QUICK_K8S_KAFKA_SECRET`: the Secret with what lets gateways and mirrors into Kafka, under the names of the
    variables, such as `QUICK_KAFKA_SASL_PASSWORD`."""

    application_kafka_login: bool = False
    """`QUICK_APPLICATION_KAFKA_LOGIN`: whether applications get it too, under the same names. Not without being told
    so: their images are anybody's, and whoever has the login may do all that Quick may."""

    storage_class: str | None = None
    """`QUICK_MIRROR_STORAGE_CLASS`: class of the volumes of mirrors; without one, the cluster's default."""

    storage_size: str = "8Gi"
    """`QUICK_MIRROR_STORAGE_SIZE`: size of each of them."""

    mirror_copies: int | None = None
    """`QUICK_MIRROR_COPIES`: how many replicas of a mirror hold each key; without it, and where there are no more than
    that, every replica holds all of them."""

    kafka: str | None = None
    """`QUICK_KAFKA_BOOTSTRAP_SERVER`: what applications are told; without it, what `config` says in the cluster."""

    schema_registry_url: str = field(default="http://quick-manager/schema-registry", repr=False)
    """`QUICK_KAFKA_SCHEMA_REGISTRY_URL`: what applications are told; Quick's own by default. Never printed, since it
    may carry `user:password@`, and in that case not written into objects either."""

    ingress: IngressSettings = field(default_factory=IngressSettings)
    """`QUICK_INGRESS_…`."""

    topic_registry: TopicRegistrySettings = field(default_factory=TopicRegistrySettings)
    """`QUICK_TOPIC_REGISTRY_…`."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> KubernetesSettings:
        """Read the settings from *environ*.

        Raises:
            SettingsError: One has a value that Kubernetes would not take.
        """
        env = Environment(environ)
        manager = env.optional("QUICK_SERVICE_MANAGER", _SERVICE, "quick-manager")
        service = env.optional("QUICK_SERVICE_SCHEMA_REGISTRY", _SERVICE, manager)
        own_registry = f"http://{service}/schema-registry"
        kafka_secret = env.optional("QUICK_K8S_KAFKA_SECRET", _OBJECT, None)
        return cls(
            namespace=env.optional("KUBERNETES_CLIENT_NAMESPACE", _NAMESPACE_NAME, cls.namespace),
            instance=env.optional("QUICK_K8S_INSTANCE", _INSTANCE, None),
            drift=env.optional("QUICK_K8S_DRIFT", Drift.parse, cls.drift),
            updates_images=env.optional("QUICK_MANAGER_UPDATE_MANAGED_IMAGES", yes_or_no, cls.updates_images),
            registry=env.optional("QUICK_DOCKER_REGISTRY", _REGISTRY_NAME, None),
            image=env.optional("QUICK_IMAGE_NAME", _IMAGE_NAME, cls.image),
            default_tag=env.optional("QUICK_DEFAULT_IMAGE_TAG", _TAG_NAME, cls.default_tag),
            image_pull_secret=env.optional("QUICK_IMAGE_PULL_SECRET", _OBJECT, None),
            pull_policy=env.optional("QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY", PullPolicy.parse, cls.pull_policy),
            resources=_resources(env),
            run_as_user=env.optional("QUICK_K8S_RUN_AS_USER", between(1, _MAX_USER), cls.run_as_user),
            application_user=env.optional("QUICK_APPLICATIONS_SPEC_RUN_AS_USER", between(1, _MAX_USER), None),
            config=env.optional("QUICK_K8S_CONFIG", _OBJECT, cls.config),
            config_checksum=env.optional("QUICK_K8S_CONFIG_CHECKSUM", _HASH, None),
            api_key_secret=env.optional("QUICK_K8S_API_KEY_SECRET", _OBJECT, cls.api_key_secret),
            kafka_secret=kafka_secret,
            application_kafka_login=_application_login(env, kafka_secret),
            storage_class=env.optional("QUICK_MIRROR_STORAGE_CLASS", _OBJECT, None),
            storage_size=env.optional("QUICK_MIRROR_STORAGE_SIZE", _amount, cls.storage_size),
            mirror_copies=env.optional("QUICK_MIRROR_COPIES", between(1, MAX_REPLICAS), None),
            kafka=env.optional("QUICK_KAFKA_BOOTSTRAP_SERVER", _BROKER_LIST, None),
            schema_registry_url=env.optional("QUICK_KAFKA_SCHEMA_REGISTRY_URL", http_url, own_registry),
            ingress=_ingress(env),
            topic_registry=_topic_registry(env),
        )


def is_reconciled_here(environ: Mapping[str, str]) -> bool:
    """Return whether this machine makes the objects of what is declared: `QUICK_K8S`, `true`, `false` or `auto`.

    By default, `auto`, it does in a pod that has a service account.

    Raises:
        SettingsError: It has another value.
    """
    switch = Environment(environ).optional("QUICK_K8S", _switch, _AUTO)
    if switch == _AUTO:
        return bool(environ.get("KUBERNETES_SERVICE_HOST")) and _POD_TOKEN.exists()
    return yes_or_no(switch)


_AUTO: Final = "auto"
_POD_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def _switch(text: str) -> str:
    if text.lower() != _AUTO:
        try:
            yes_or_no(text)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from error
    return text.lower()


def _resources(env: Environment) -> Resources:
    cls, prefix = Resources, "QUICK_APPLICATIONS_SPEC_RESOURCES"
    resources = cls(
        memory_limit=env.optional(f"{prefix}_MEMORY_LIMIT", _amount, cls.memory_limit),
        memory_request=env.optional(f"{prefix}_MEMORY_REQUEST", _amount, cls.memory_request),
        cpu_limit=env.optional(f"{prefix}_CPU_LIMIT", _amount, cls.cpu_limit),
        cpu_request=env.optional(f"{prefix}_CPU_REQUEST", _amount, cls.cpu_request),
    )
    for what, request, limit in (
        ("MEMORY", resources.memory_request, resources.memory_limit),
        ("CPU", resources.cpu_request, resources.cpu_limit),
    ):
        if parse_quantity(request) > parse_quantity(limit):
            raise SettingsError(
                f"{prefix}_{what}_REQUEST is {request} and {prefix}_{what}_LIMIT is {limit}: a container cannot be"
                " promised more than it may use. Raise the limit, or lower the request."
            )
    return resources


def _application_login(env: Environment, kafka_secret: str | None) -> bool:
    is_given = env.optional("QUICK_APPLICATION_KAFKA_LOGIN", yes_or_no, KubernetesSettings.application_kafka_login)
    if is_given and kafka_secret is None:
        raise SettingsError(
            "QUICK_APPLICATION_KAFKA_LOGIN is true, and there is no login to give. Name the Secret that has it in"
            " QUICK_K8S_KAFKA_SECRET, or set this one to false."
        )
    return is_given


def _ingress(env: Environment) -> IngressSettings:
    cls = IngressSettings
    has_ssl = env.optional("QUICK_INGRESS_SSL", yes_or_no, cls.ssl)
    return cls(
        host=env.optional("QUICK_INGRESS_HOST", _host, None),
        ssl=has_ssl,
        entrypoint=env.optional("QUICK_INGRESS_ENTRYPOINT", _ENTRY_POINT_NAMES, "websecure" if has_ssl else "web"),
        ingress_class=env.optional("QUICK_INGRESS_CLASS", _OBJECT, cls.ingress_class),
    )


def _topic_registry(env: Environment) -> TopicRegistrySettings:
    cls, log_topic = TopicRegistrySettings, env.optional("QUICK_LOG_TOPIC", str, Settings.log_topic)
    return cls(
        is_enabled=env.optional("QUICK_MANAGER_CREATE_TOPIC_REGISTRY", yes_or_no, cls.is_enabled),
        topic=env.optional("QUICK_TOPIC_REGISTRY_TOPIC_NAME", own_topic_name, registry_topic_beside(log_topic)),
        service=env.optional("QUICK_TOPIC_REGISTRY_SERVICE_NAME", _registry_service, cls.service),
    )


def _matching(pattern: re.Pattern[str], meaning: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"it takes {meaning}")
        return text

    return parse


def _amount(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError("it takes an amount above 0")
    return text


def _host(text: str) -> str:
    host = text.lower()
    if not _SUBDOMAIN.fullmatch(host.removeprefix("*.")) or _is_address(host):
        raise ValueError(
            "it takes a host name such as quick.example.com, without scheme, port and path, and no address"
        )
    return host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _registry_service(text: str) -> str:
    if not is_label(text) or not text[0].isalpha() or is_own(text):
        raise ValueError(
            f"it takes up to {MAX_LENGTH} of the characters a-z, 0-9 and -, beginning with a letter, and not what the"
            " objects of gateways, mirrors and applications are called"
        )
    return text


_NAMESPACE_NAME: Final = _matching(_NAMESPACE, "the name of a namespace: a-z, 0-9 and -, at most 63 characters")
_INSTANCE: Final = _matching(_LABEL_VALUE, "a label's value: letters, digits, '-', '_' and '.', at most 63 characters")
_OBJECT: Final = _matching(_SUBDOMAIN, "the name of an object in Kubernetes: a-z, 0-9, - and .")
_HASH: Final = _matching(_CHECKSUM, "a hash: letters and digits, at most 128")
_SERVICE: Final = _matching(_SUBDOMAIN, "the name of a Service, with its namespace where it is in another one")
_REGISTRY_NAME: Final = _matching(_REGISTRY, "the place of images, such as bakdata or registry.example.com:5000/quick")
_IMAGE_NAME: Final = _matching(_IMAGE, "the name of an image, without registry and tag")
_TAG_NAME: Final = _matching(_TAG, "the tag of an image: letters, digits, '_', '-' and '.', at most 128 characters")
_ENTRY_POINT_NAMES: Final = _matching(_ENTRY_POINTS, "names of Traefik's entry points, with commas between them")
_BROKER_LIST: Final = _matching(_BROKERS, "brokers as HOST:PORT[,HOST:PORT…]")
