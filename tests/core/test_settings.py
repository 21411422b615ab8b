from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.gateway_settings import DocumentMode, GatewaySettings, GraphQLLimits, LimitMode
from core.mirror_shares import Share
from core.registered_schema import SchemaFormat
from core.settings import Settings

REQUIRED = {"QUICK_KAFKA_BOOTSTRAP_SERVER": "localhost:9092", "QUICK_DATA_DIR": "/data", "QUICK_APIKEY": "secret"}


def test_three_settings_are_enough() -> None:
    settings = Settings.from_env(REQUIRED)
    assert ("localhost:9092", Path("/data"), "secret") == (settings.kafka, settings.data_dir, settings.api_key)
    assert (3, 1, "quick") == (settings.partitions, settings.replication_factor, settings.avro_namespace)


def test_each_log_publishes_its_registry_in_a_topic_of_its_own() -> None:
    def topic(**more: str) -> str:
        return Settings.from_env({**REQUIRED, **more}).registry_topic

    assert "__topic-registry" == topic() == topic(QUICK_LOG_TOPIC="__quick-log")
    assert "__topic-registry-shop" == topic(QUICK_LOG_TOPIC="shop")
    assert "__topics" == topic(QUICK_LOG_TOPIC="shop", QUICK_TOPIC_REGISTRY_TOPIC_NAME="__topics")
    long = {topic(QUICK_LOG_TOPIC=249 * letter) for letter in "ab"}
    assert (2, True) == (len(long), all(len(name) <= 249 for name in long))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not set"):
        Settings.from_env({**REQUIRED, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUICK_KAFKA_INTERNAL_PARTITIONS", "0"),
        ("QUICK_KAFKA_INTERNAL_PARTITIONS", "many"),
        ("QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR", "17"),
        ("QUICK_SCHEMA_AVRO_NAMESPACE", "a"),
        ("QUICK_SCHEMA_AVRO_NAMESPACE", "shop.1st"),
        ("QUICK_SCHEMA_FORMAT", "JSON"),
        ("QUICK_SCHEMA_PROTOBUF_PACKAGE", "shop-eu"),
        ("QUICK_SCHEMA_LEGACY", "yes"),
        ("QUICK_KAFKA_SCHEMA_REGISTRY_URL", "registry:8081"),
        ("QUICK_GATEWAY_ROW_CACHE_MB", "-1"),
        ("QUICK_EFFECT_TIMEOUT_S", "-1"),
        ("QUICK_EFFECT_TIMEOUT_S", "nan"),
        ("QUICK_CORS_ORIGINS", "shop.example"),
        ("QUICK_CORS_ORIGINS", "https://shop.example/path"),
        ("QUICK_CORS_ORIGINS", "https://shop.example,*"),
        ("QUICK_CORS_ORIGINS", ","),
        ("QUICK_GZIP_LEVEL", "10"),
        ("QUICK_ROLE", "broker"),
        ("QUICK_ADVERTISED_ADDRESS", "$(POD_NAME).mirrors:8080"),
        ("QUICK_ADVERTISED_ADDRESS", "mirror-0"),
        ("QUICK_ADVERTISED_ADDRESS", "mirror-0:0"),
        ("QUICK_MIRROR_LEASE_S", "0.5"),
        ("QUICK_MIRROR_COPIES", "0"),
        ("QUICK_MIRROR_REPLICAS", "many"),
        ("QUICK_TOPIC_REGISTRY_TOPIC_NAME", "topic-registry"),
        ("QUICK_TOPIC_REGISTRY_TOPIC_NAME", "__topic/registry"),
        ("QUICK_TOPIC_REGISTRY_TOPIC_NAME", "__" + 248 * "a"),
        ("QUICK_GRAPHQL_MAX_BATCH", "-1"),
        ("QUICK_GRAPHQL_TIMEOUT_S", "-1"),
        ("QUICK_GRAPHQL_INTROSPECTION", "true"),
        ("QUICK_GRAPHQL_DOCUMENTS", "/there/is/none"),
        ("QUICK_GRAPHQL_DOCUMENTS_MODE", "some"),
        ("QUICK_GRAPHQL_LIMITS", "on"),
        ("QUICK_GRAPHQL_MAX_TOKENS", "0"),
        ("QUICK_GRAPHQL_MAX_DEPTH", "0"),
        ("QUICK_GRAPHQL_MAX_COST", "1e6"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{name}='{value}' cannot be used")):
        Settings.from_env({**REQUIRED, name: value})


def sharing(replicas: str, copies: str, pod: str = "quick-mirror-t-2") -> Share | None:
    more = {"QUICK_MIRROR_REPLICAS": replicas, "QUICK_MIRROR_COPIES": copies, "POD_NAME": pod}
    return Settings.from_env({**REQUIRED, **more}).mirror_share


def test_a_replica_shares_the_keys_where_there_are_fewer_copies_than_replicas() -> None:
    assert Share(replicas=5, copies=2, number=2) == sharing("5", "2")
    assert [None] * 3 == [sharing("", "2"), sharing("5", ""), sharing("3", "3")]


@pytest.mark.parametrize(
    ("replicas", "copies", "pod", "reason"),
    [
        ("3", "4", "t-0", "QUICK_MIRROR_COPIES is 4, and there are 3 replicas"),
        ("3", "2", "t-3", "POD_NAME is to end with the number of the replica, from 0 to 2"),
        ("3", "2", "t", "POD_NAME is to end with the number"),
        ("3", "2", "", "POD_NAME is to end with the number"),
    ],
)
def test_a_share_that_cannot_be_is_told(replicas: str, copies: str, pod: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        sharing(replicas, copies, pod)


def test_schemas_have_settings_in_any_letter_case() -> None:
    settings = Settings.from_env(
        {
            **REQUIRED,
            "QUICK_SCHEMA_FORMAT": "protobuf",
            "QUICK_SCHEMA_LEGACY": "True",
            "QUICK_KAFKA_SCHEMA_REGISTRY_URL": "http://registry:8081/",
        }
    )
    assert (SchemaFormat.PROTOBUF, True) == (settings.schema_format, settings.legacy_schemas)
    assert "http://registry:8081" == settings.schema_registry_url
    assert (SchemaFormat.AVRO, False) == (Settings.schema_format, Settings.legacy_schemas)


def test_the_key_is_never_printed() -> None:
    assert "secret" not in repr(Settings.from_env(REQUIRED))


def test_the_password_of_a_registry_is_never_printed() -> None:
    name = "QUICK_KAFKA_SCHEMA_REGISTRY_URL"
    assert "secret" not in repr(Settings.from_env({**REQUIRED, name: "http://user:secret@registry:8081"}))
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**REQUIRED, name: "ftp://user:secret@registry:8081"})
    assert f"{name}='ftp://***@registry:8081' cannot be used" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("*", ("*",)),
        ("none", ()),
        ("https://shop.example", ("https://shop.example",)),
        ("https://shop.example/, http://localhost:3000", ("https://shop.example", "http://localhost:3000")),
    ],
)
def test_origins_are_divided_by_commas(text: str, origins: tuple[str, ...]) -> None:
    assert origins == Settings.from_env({**REQUIRED, "QUICK_CORS_ORIGINS": text}).cors_origins


def test_gateways_have_settings_of_their_own(tmp_path: Path) -> None:
    numbers = ["TOKENS", "DEPTH", "FIELDS", "BREADTH", "ALIASES", "ROOT_FIELDS", "DIRECTIVES", "COST"]
    settings = Settings.from_env(
        {
            **REQUIRED,
            "QUICK_GRAPHQL_MAX_BATCH": "0",
            "QUICK_GRAPHQL_TIMEOUT_S": "2.5",
            "QUICK_GRAPHQL_INTROSPECTION": "Off",
            "QUICK_GRAPHQL_DOCUMENTS": str(tmp_path),
            "QUICK_GRAPHQL_DOCUMENTS_MODE": "Only",
            "QUICK_GRAPHQL_LIMITS": "measure",
            "QUICK_GRAPHQL_LIST_LENGTH": "9",
            **{f"QUICK_GRAPHQL_MAX_{name}": str(place) for place, name in enumerate(numbers, start=1)},
        }
    ).gateway

    limits = GraphQLLimits(
        mode=LimitMode.MEASURE,
        list_length=9,
        **{f"max_{name.lower()}": place for place, name in enumerate(numbers, start=1)},
    )
    expected = GatewaySettings(
        max_batch=0,
        timeout_s=2.5,
        introspection=False,
        documents=tmp_path,
        document_mode=DocumentMode.ONLY,
        limits=limits,
    )
    assert expected == settings
    assert GatewaySettings() == Settings.from_env(REQUIRED).gateway


def test_a_mode_without_documents_says_what_is_missing() -> None:
    with pytest.raises(SettingsError, match=r"QUICK_GRAPHQL_DOCUMENTS_MODE=only has no documents\. Set QUICK_"):
        Settings.from_env({**REQUIRED, "QUICK_GRAPHQL_DOCUMENTS_MODE": "only"})
