from __future__ import annotations

import pytest

from core.errors import SettingsError
from k8s.settings import Drift, IngressSettings, KubernetesSettings, PullPolicy, Resources, TopicRegistrySettings

RESOURCES = "QUICK_APPLICATIONS_SPEC_RESOURCES"


def test_nothing_has_to_be_said() -> None:
    assert KubernetesSettings() == KubernetesSettings.from_env({})
    assert ("default", None, Drift.REVERT) == (
        KubernetesSettings.namespace,
        KubernetesSettings.instance,
        Drift("revert"),
    )


def test_everything_can_be_said() -> None:
    settings = KubernetesSettings.from_env(
        {
            "KUBERNETES_CLIENT_NAMESPACE": "shop",
            "QUICK_K8S_INSTANCE": "quick-eu",
            "QUICK_K8S_DRIFT": "Report",
            "QUICK_MANAGER_UPDATE_MANAGED_IMAGES": "false",
            "QUICK_DOCKER_REGISTRY": "registry.example.com:5000/team/quick",
            "QUICK_IMAGE_NAME": "quick-es",
            "QUICK_DEFAULT_IMAGE_TAG": "2.0",
            "QUICK_IMAGE_PULL_SECRET": "own",
            "QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY": "IF_NOT_PRESENT",
            f"{RESOURCES}_MEMORY_LIMIT": "2Gi",
            f"{RESOURCES}_MEMORY_REQUEST": "2048Mi",
            f"{RESOURCES}_CPU_LIMIT": "1500m",
            f"{RESOURCES}_CPU_REQUEST": "1.5",
            "QUICK_K8S_RUN_AS_USER": "2000",
            "QUICK_APPLICATIONS_SPEC_RUN_AS_USER": "3000",
            "QUICK_K8S_CONFIG": "c",
            "QUICK_K8S_CONFIG_CHECKSUM": "5f70bf18",
            "QUICK_K8S_API_KEY_SECRET": "s",
            "QUICK_K8S_KAFKA_SECRET": "k",
            "QUICK_APPLICATION_KAFKA_LOGIN": "true",
            "QUICK_MIRROR_STORAGE_CLASS": "fast",
            "QUICK_MIRROR_STORAGE_SIZE": "1T",
            "QUICK_KAFKA_BOOTSTRAP_SERVER": "a:9092,b:9092",
            "QUICK_KAFKA_SCHEMA_REGISTRY_URL": "http://sr:8081/",
            "QUICK_INGRESS_HOST": "Quick.example.com",
            "QUICK_INGRESS_SSL": "false",
            "QUICK_INGRESS_CLASS": "internal",
            "QUICK_MANAGER_CREATE_TOPIC_REGISTRY": "true",
            "QUICK_TOPIC_REGISTRY_TOPIC_NAME": "__topics",
            "QUICK_TOPIC_REGISTRY_SERVICE_NAME": "topics",
        }
    )
    expected = KubernetesSettings(
        namespace="shop",
        instance="quick-eu",
        drift=Drift.REPORT,
        updates_images=False,
        registry="registry.example.com:5000/team/quick",
        image="quick-es",
        default_tag="2.0",
        image_pull_secret="own",
        pull_policy=PullPolicy.IF_NOT_PRESENT,
        resources=Resources(memory_limit="2Gi", memory_request="2048Mi", cpu_limit="1500m", cpu_request="1.5"),
        run_as_user=2000,
        application_user=3000,
        config="c",
        config_checksum="5f70bf18",
        api_key_secret="s",
        kafka_secret="k",
        application_kafka_login=True,
        storage_class="fast",
        storage_size="1T",
        kafka="a:9092,b:9092",
        schema_registry_url="http://sr:8081",
        ingress=IngressSettings(host="quick.example.com", ssl=False, entrypoint="web", ingress_class="internal"),
        topic_registry=TopicRegistrySettings(is_enabled=True, topic="__topics", service="topics"),
    )
    assert expected == settings


@pytest.mark.parametrize("text", ["IfNotPresent", "ifnotpresent", "if-not-present", "IF_NOT_PRESENT", "If Not Present"])
def test_pull_policies_are_taken_in_any_spelling(text: str) -> None:
    settings = KubernetesSettings.from_env({"QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY": text})
    assert PullPolicy.IF_NOT_PRESENT == settings.pull_policy


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("KUBERNETES_CLIENT_NAMESPACE", "Shop", "name of a namespace"),
        ("KUBERNETES_CLIENT_NAMESPACE", "a" * 64, "at most 63"),
        ("QUICK_K8S_INSTANCE", "quick/eu", "a label's value"),
        ("QUICK_K8S_INSTANCE", "quick\n", "a label's value"),
        ("QUICK_K8S_DRIFT", "adopt", "it takes revert or report"),
        ("QUICK_DOCKER_REGISTRY", "https://registry", "the place of images"),
        ("QUICK_DOCKER_REGISTRY", "registry/", "the place of images"),
        ("QUICK_IMAGE_NAME", "quick:1", "without registry and tag"),
        ("QUICK_DEFAULT_IMAGE_TAG", "1.0 ", "the tag of an image"),
        ("QUICK_DEFAULT_IMAGE_TAG", "1@sha256:0", "the tag of an image"),
        ("QUICK_APPLICATIONS_SPEC_IMAGE_PULL_POLICY", "sometimes", "Always, IfNotPresent, Never"),
        (f"{RESOURCES}_CPU_LIMIT", "one", "no quantity of Kubernetes"),
        (f"{RESOURCES}_MEMORY_LIMIT", "1GB", "no quantity of Kubernetes"),
        (f"{RESOURCES}_MEMORY_REQUEST", "0", "above 0"),
        ("QUICK_K8S_RUN_AS_USER", "0", "from 1"),
        ("QUICK_K8S_KAFKA_SECRET", "Kafka/login", "an object in Kubernetes"),
        ("QUICK_APPLICATION_KAFKA_LOGIN", "yes", "true or false"),
        ("QUICK_K8S_CONFIG", "Quick_Config", "an object in Kubernetes"),
        ("QUICK_MIRROR_STORAGE_SIZE", "-1Gi", "above 0"),
        ("QUICK_MIRROR_STORAGE_CLASS", "fast class", "an object in Kubernetes"),
        ("QUICK_KAFKA_BOOTSTRAP_SERVER", "kafka", "HOST:PORT"),
        ("QUICK_INGRESS_HOST", "https://quick.example.com", "without scheme, port and path"),
        ("QUICK_INGRESS_HOST", "quick.example.com:443", "without scheme, port and path"),
        ("QUICK_INGRESS_HOST", "10.0.0.1", "no address"),
        ("QUICK_INGRESS_HOST", "a..b", "a host name"),
        ("QUICK_INGRESS_HOST", "a." * 127 + "aa", "a host name"),
        ("QUICK_INGRESS_SSL", "yes", "true or false"),
        ("QUICK_INGRESS_ENTRYPOINT", "web secure", "entry points"),
        ("QUICK_TOPIC_REGISTRY_TOPIC_NAME", "__a/b", "name of a topic"),
        ("QUICK_TOPIC_REGISTRY_SERVICE_NAME", "quick-mirror-orders", "not what the objects"),
        ("QUICK_TOPIC_REGISTRY_SERVICE_NAME", "topics-headless", "not what the objects"),
        ("QUICK_TOPIC_REGISTRY_SERVICE_NAME", "1topics", "beginning with a letter"),
        ("QUICK_TOPIC_REGISTRY_SERVICE_NAME", "a" * 53, "up to 52"),
    ],
)
def test_a_value_that_kubernetes_would_not_take_is_named_with_its_setting_and_the_reason(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        KubernetesSettings.from_env({name: value})
    assert str(caught.value).startswith(f"{name}={value!r} cannot be used: ")
    assert reason in str(caught.value)


def test_a_login_can_only_be_given_where_there_is_one() -> None:
    with pytest.raises(
        SettingsError, match=r"no login to give\. Name the Secret that has it in QUICK_K8S_KAFKA_SECRET"
    ):
        KubernetesSettings.from_env({"QUICK_APPLICATION_KAFKA_LOGIN": "true"})
    assert not KubernetesSettings.from_env({"QUICK_APPLICATION_KAFKA_LOGIN": "false"}).application_kafka_login
    assert not KubernetesSettings.from_env({"QUICK_K8S_KAFKA_SECRET": "k"}).application_kafka_login


def test_a_wildcard_is_a_host_too() -> None:
    assert "*.example.com" == KubernetesSettings.from_env({"QUICK_INGRESS_HOST": "*.example.com"}).ingress.host


def test_without_tls_the_entry_point_is_another_one_unless_it_is_named() -> None:
    without = {"QUICK_INGRESS_SSL": "FALSE"}
    assert "websecure" == KubernetesSettings.from_env({}).ingress.entrypoint
    assert "web" == KubernetesSettings.from_env(without).ingress.entrypoint
    assert "own" == KubernetesSettings.from_env({**without, "QUICK_INGRESS_ENTRYPOINT": "own"}).ingress.entrypoint


@pytest.mark.parametrize(("what", "request_"), [("CPU", "1001m"), ("MEMORY", "1Gi")])
def test_no_more_is_promised_than_may_be_used(what: str, request_: str) -> None:
    with pytest.raises(SettingsError, match=f"{RESOURCES}_{what}_REQUEST is {request_} and .* Raise the limit"):
        KubernetesSettings.from_env({f"{RESOURCES}_{what}_REQUEST": request_})


def test_the_password_of_a_schema_registry_is_not_printed() -> None:
    settings = KubernetesSettings.from_env({"QUICK_KAFKA_SCHEMA_REGISTRY_URL": "http://me:qu1et@sr"})
    assert "qu1et" in settings.schema_registry_url
    assert "qu1et" not in repr(settings)


def test_applications_are_told_of_the_managers_own_schema_registry_where_there_is_no_other() -> None:
    settings = KubernetesSettings.from_env({"QUICK_SERVICE_MANAGER": "manager.quick"})
    assert "http://manager.quick/schema-registry" == settings.schema_registry_url


def test_applications_are_told_of_a_schema_registry_that_runs_beside_the_manager() -> None:
    environ = {"QUICK_SERVICE_MANAGER": "manager", "QUICK_SERVICE_SCHEMA_REGISTRY": "subjects.quick"}
    settings = KubernetesSettings.from_env(environ)
    assert "http://subjects.quick/schema-registry" == settings.schema_registry_url
