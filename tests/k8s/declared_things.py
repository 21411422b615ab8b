"""Things as the registry has them, and the objects that are made of each kind in each variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.applications import Application
from core.gateways import Gateway
from core.mirrors import Mirror
from k8s.applications import application_manifests
from k8s.clean_up import clean_up_job
from k8s.gateways import gateway_manifests
from k8s.mirrors import mirror_manifests, topic_registry_manifests
from k8s.rendering import Manifest
from k8s.settings import IngressSettings, KubernetesSettings, PullPolicy, Resources
from projections.declarations import Declarations
from projections.registry import Row

SDL = """type Query {
  product(id: Int!): Product @topic(name: "product", keyArgument: "id")
}

type Product { id: Int! }
"""

PLAIN = KubernetesSettings(instance="quick")
"""Nothing is said but the instance."""

FULL = KubernetesSettings(
    namespace="shop",
    instance="quick-eu",
    registry="registry.example.com:5000/quick",
    default_tag="2.1.0",
    image_pull_secret="own-registry",
    pull_policy=PullPolicy.IF_NOT_PRESENT,
    resources=Resources(memory_limit="2Gi", memory_request="512Mi", cpu_limit="2", cpu_request="250m"),
    run_as_user=2000,
    application_user=3000,
    config="eu-config",
    config_checksum="5f70bf18a086007016e948b04aed3b82",
    api_key_secret="eu-key",
    kafka_secret="eu-kafka",
    storage_class="fast",
    storage_size="100Gi",
    kafka="kafka-1:9092,kafka-2:9092",
    schema_registry_url="http://registry:8081",
    ingress=IngressSettings(host="quick.example.com", ssl=False, entrypoint="web", ingress_class="internal"),
)
"""Everything is said."""


def mirror(name: str = "orders", replicas: int = 1, tag: str | None = None) -> Row[Mirror]:
    return Row(11, 12, Mirror(name=name, topic=name, replicas=replicas, tag=tag))


def gateway(name: str = "shop", replicas: int = 1, tag: str | None = None, sdl: str = SDL) -> Row[Gateway]:
    return Row(15, 16, Gateway(name=name, replicas=replicas, tag=tag, sdl=sdl))


def application(**given: Any) -> Row[Application]:
    facts = {"name": "recommender", "registry": "bakdata", "image_name": "quick-demo-recommender", "tag": "1.0"}
    nothing = {"replicas": 1, "port": None, "image_pull_secret": None, "arguments": {}}
    return Row(21, 22, Application(**{**facts, **nothing, **given}))


def declared(
    *,
    mirrors: Sequence[Row[Mirror]] = (),
    gateways: Sequence[Row[Gateway]] = (),
    applications: Sequence[Row[Application]] = (),
) -> Declarations:
    return Declarations(
        position=30,
        log="log-0123456789abcdef",
        mirrors=list(mirrors),
        gateways=list(gateways),
        applications=list(applications),
    )


def one(manifests: list[Manifest], kind: str) -> Manifest:
    """Return the one manifest of a kind, or that of its pods' Service where there is a headless one beside it."""
    found = [made for made in manifests if made["kind"] == kind and made["spec"].get("clusterIP") != "None"]
    (made,) = found
    return made


def variants() -> dict[str, list[Manifest]]:
    """Return the objects of each kind of thing in each variant."""
    app_with_all = application(
        name="Re_commender",
        replicas=3,
        port=8000,
        image_pull_secret="demo-registry",
        arguments={"input-topics": "orders,clicks", "--productive": "false", "greeting": 'say "hi": {{ now }} # $(X)'},
    )
    with_login = application(arguments={"password": "$(QUICK_KAFKA_SASL_PASSWORD)"})
    workloads = {
        "mirror": one(mirror_manifests(mirror(), PLAIN), "StatefulSet"),
        "application": one(application_manifests(app_with_all, FULL), "Deployment"),
        "with-login": one(application_manifests(with_login, replace(FULL, application_kafka_login=True)), "Deployment"),
    }
    return {
        "mirror": mirror_manifests(mirror(), PLAIN),
        "mirror-replicated": mirror_manifests(mirror("Orders_v1", 3, "1.9.2"), FULL),
        "mirror-replicated-default-tag": mirror_manifests(mirror("orders", 2), FULL),
        "mirror-shared": mirror_manifests(mirror("orders", 3), replace(FULL, mirror_copies=2)),
        "gateway": gateway_manifests(gateway(), PLAIN),
        "gateway-without-schema": gateway_manifests(gateway(sdl=""), PLAIN),
        "gateway-replicated": gateway_manifests(gateway("shop.eu", 2, "1.9.2"), FULL),
        "application": application_manifests(application(), PLAIN),
        "application-with-port": application_manifests(app_with_all, FULL),
        "application-with-login": application_manifests(with_login, replace(FULL, application_kafka_login=True)),
        "topic-registry": topic_registry_manifests(replace(PLAIN, storage_size="1Gi")),
        "clean-up-mirror": [clean_up_job(workloads["mirror"], position=40)],
        "clean-up-application": [clean_up_job(workloads["application"], position=40)],
        "clean-up-application-with-login": [clean_up_job(workloads["with-login"], position=40)],
    }
