from __future__ import annotations

from pathlib import Path

import pytest

from core.roles import Role
from core.settings import Settings
from services.role_paths import whole_paths, with_whole_path


def settings(role: Role, served: str | None = None) -> Settings:
    return Settings(kafka="k:1", data_dir=Path("d"), api_key="a", role=role, served=served)


@pytest.mark.parametrize(
    ("whole", "path"),
    [
        ("/mirror/t/mirror/a", "/mirror/a"),
        ("/mirror/t/mirror/a", "/mirror/t/mirror/a"),
        ("/mirror/t/mirror/t", "/mirror/t"),
        ("/mirror/t/mirror/t/a", "/mirror/t/a"),
        ("/mirror/t/mirror/keys", "/mirror/keys"),
        ("/mirror/t/mirror", "/mirror"),
        ("/mirror/t/mirror", "/mirror/t/mirror"),
        ("/mirror/t/streams/partitions", "/streams/partitions"),
        ("/mirror/t/rows", "/mirror/t/rows"),
        ("/mirror/t/mirror/other/mirror/a", "/mirror/other/mirror/a"),
        ("/mirror/t/manager/topics", "/manager/topics"),
        ("/health", "/health"),
    ],
)
def test_paths_of_a_mirror_begin_with_its_topic_or_at_the_root(whole: str, path: str) -> None:
    made = whole_paths(settings(Role.MIRROR, "t"))
    assert made is not None
    assert whole == made(path)


@pytest.mark.parametrize(
    ("whole", "path"),
    [
        ("/gateway/g/graphql", "/graphql"),
        ("/gateway/g/graphql", "/gateway/g/graphql"),
        ("/gateway/g", "/gateway/g"),
        ("/gateway/g/gateway/good/graphql", "/gateway/good/graphql"),
    ],
)
def test_paths_of_a_gateway_may_lack_their_beginning(whole: str, path: str) -> None:
    made = whole_paths(settings(Role.GATEWAY, "g"))
    assert made is not None
    assert whole == made(path)


def test_a_path_is_made_whole_as_it_was_sent_too() -> None:
    made = whole_paths(settings(Role.SCHEMA_REGISTRY))
    assert made is not None
    scope = {"type": "http", "path": "/subjects/a/b", "raw_path": b"/subjects/a%2Fb?x=/y"}
    changed = with_whole_path(scope, made)
    assert "/schema-registry/subjects/a/b" == changed["path"]
    assert b"/schema-registry/subjects/a%2Fb?x=/y" == changed["raw_path"]
    assert "/subjects/a/b" == scope["path"]


@pytest.mark.parametrize("role", [Role.ALL, Role.MANAGER, Role.INGEST])
def test_paths_of_all_others_stay(role: Role) -> None:
    assert whole_paths(settings(role)) is None
