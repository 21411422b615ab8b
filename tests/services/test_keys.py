"""API keys over REST: only a digest is sent, and nothing that opens anything is ever answered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest

from core.keys import digest_of, new_secret
from tests.running import Running


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"key-{uuid.uuid4().hex[:8]}"


def body(name: str, **more: object) -> dict[str, object]:
    return {"scopes": ["manage", "ingest:a"], "digest": digest_of(new_secret(name)), **more}


def test_a_key_is_created_listed_and_revoked(http: httpx.Client, name: str) -> None:
    created = http.post(f"/manager/key/{name}", json=body(name, expiresAt="2999-01-01T00:00:00+01:00"))
    expected = {
        "name": name,
        "scopes": ["ingest:a", "manage"],
        "created": int(created.headers["Quick-Position"]),
        "expiresAt": "2998-12-31T23:00:00.000Z",
    }
    assert expected == http.get(f"/manager/key/{name}").json()
    assert expected in http.get("/manager/keys").json()
    assert 200 == http.delete(f"/manager/key/{name}").status_code
    assert 404 == http.get(f"/manager/key/{name}").status_code
    assert 404 == http.delete(f"/manager/key/{name}").status_code


def test_the_secret_is_nowhere_in_the_log(http: httpx.Client, name: str) -> None:
    secret = new_secret(name)
    created = http.post(f"/manager/key/{name}", json={"scopes": ["manage"], "digest": digest_of(secret)})
    shown = json.dumps(http.get(f"/manager/log/{created.headers['Quick-Position']}").json())
    assert name in shown
    assert secret not in shown


def test_a_name_can_be_given_again_after_its_key_was_revoked(http: httpx.Client, name: str) -> None:
    http.post(f"/manager/key/{name}", json=body(name))
    assert 400 == http.post(f"/manager/key/{name}", json=body(name)).status_code
    http.delete(f"/manager/key/{name}")
    assert 200 == http.post(f"/manager/key/{name}", json=body(name)).status_code


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scopes": []}, "no scope"),
        ({"scopes": ["write:a"]}, "'write:a' is no scope"),
        ({"scopes": ["ingest:"]}, "is no scope"),
        ({"digest": "secret"}, "digest of a key"),
        ({"expiresAt": "tomorrow"}, "no time"),
        ({"scopes": "admin"}, "cannot be used"),
    ],
)
def test_what_makes_no_key_is_refused(http: httpx.Client, name: str, change: dict[str, object], reason: str) -> None:
    answer = http.post(f"/manager/key/{name}", json=body(name, **change))
    assert 400 == answer.status_code
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("wrong", ["default", "A", "-a", "a_b", "a" * 64])
def test_a_name_that_cannot_be_part_of_a_key_is_refused(http: httpx.Client, wrong: str) -> None:
    assert 400 == http.post(f"/manager/key/{wrong}", json=body(wrong)).status_code


def test_a_repeated_creation_answers_the_digest_that_counts(http: httpx.Client, name: str) -> None:
    headers = {"Quick-Command-Id": str(uuid.uuid4())}
    first, second = (http.post(f"/manager/key/{name}", json=body(name), headers=headers).json() for _ in range(2))
    assert first == second


def test_the_log_names_the_key_that_asked(running: Running, http: httpx.Client, name: str) -> None:
    secret = new_secret(name)
    http.post(f"/manager/key/{name}", json={"scopes": ["manage"], "digest": digest_of(secret)})
    created = httpx.post(
        f"{running.url}/manager/gateway",
        json={"name": name},
        headers={"X-API-Key": secret, "Quick-Source": "me@here"},
        timeout=30,
    )
    command = http.get(f"/manager/log/{created.headers['Quick-Position']}").json()
    assert (name, "me@here") == (command["actor"], command["source"])
