from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import (
    KubernetesConflictError,
    KubernetesExpiredError,
    KubernetesRefusedError,
    KubernetesUnavailableError,
)
from k8s.refusals import refusal

SERVER = "https://api.example"


def status(message: str, **more: Any) -> bytes:
    return json.dumps({"kind": "Status", "message": message, **more}).encode()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_that_cannot_now_is_unavailable(code: int) -> None:
    error = refusal(SERVER, "list Pod", code, status("etcdserver: leader changed"), {"Retry-After": "7"})
    assert isinstance(error, KubernetesUnavailableError)
    assert 7.0 == error.retry_after_s
    assert "https://api.example cannot list Pod now: etcdserver: leader changed." in str(error)


@pytest.mark.parametrize("header", ["", "soon", "-1", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_time_to_come_again_that_is_none_is_ignored(header: str) -> None:
    error = refusal(SERVER, "list Pod", 503, b"", {"Retry-After": header})
    assert isinstance(error, KubernetesUnavailableError)
    assert None is error.retry_after_s


def test_a_mistake_that_is_answered_as_an_error_of_the_server_is_a_refusal() -> None:
    text = "failed to create typed patch object (a/b; apps/v1, Kind=Deployment): .spec.x: field not declared in schema"
    error = refusal(SERVER, "apply Deployment b", 500, status(text), {})
    assert isinstance(error, KubernetesRefusedError)
    assert ".spec.x: field not declared" in str(error)


@pytest.mark.parametrize(
    ("code", "way_out"),
    [(400, "Change what"), (401, "credentials"), (403, "RoleBinding"), (404, "Make it first"), (422, "Change what")],
)
def test_a_refusal_names_reason_and_way_out(code: int, way_out: str) -> None:
    error = refusal(SERVER, "apply Pod p", code, status("it is so", reason="Because"), {})
    assert isinstance(error, KubernetesRefusedError)
    assert (code, "Because") == (error.code, error.reason)
    assert str(error).startswith("Kubernetes refused to apply Pod p (Because): it is so. ")
    assert way_out in str(error)


def test_a_conflict_without_owners_is_about_the_object() -> None:
    error = refusal(SERVER, "delete Pod p", 409, status("the UID does not match", reason="Conflict"), {})
    assert isinstance(error, KubernetesConflictError)
    assert [] == error.conflicts
    assert "the UID does not match" in str(error)


def test_a_manager_is_read_from_each_form_of_a_conflict() -> None:
    causes = [
        {"reason": "FieldManagerConflict", "message": 'conflict with "a" using apps/v1', "field": ".x"},
        {"reason": "FieldManagerConflict", "message": 'conflict with "b"', "field": ".y"},
        {"reason": "FieldManagerConflict", "message": "conflict with somebody", "field": ".z"},
        {"reason": "SomethingElse", "message": "no", "field": ".w"},
    ]
    error = refusal(SERVER, "apply Pod p", 409, status("no", details={"causes": causes}), {})
    assert isinstance(error, KubernetesConflictError)
    assert [("a", ".x"), ("b", ".y"), ("conflict with somebody", ".z")] == [
        (conflict.manager, conflict.field) for conflict in error.conflicts
    ]


def test_what_has_expired_is_told_apart() -> None:
    error = refusal(SERVER, "watch Pod", 410, status("too old resource version", reason="Expired"), {})
    assert isinstance(error, KubernetesExpiredError)


@pytest.mark.parametrize("body", [b"", b"<html>\n Bad\xff Gateway</html>", b"[]", b"7", b'{"kind": "Pod"}'])
def test_an_answer_that_is_not_kubernetes_own_does_no_harm(body: bytes) -> None:
    assert "cannot list Pod now" in str(refusal(SERVER, "list Pod", 502, body, {}))


def test_a_long_message_is_cut() -> None:
    assert len(str(refusal(SERVER, "list Pod", 422, status("x" * 1_000_000), {}))) < 3_000
