"""`quick key …`: the key is made here and printed once; only its hash is sent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.keys import digest_of
from tests.cli.small_manager import answer

SECRET = re.compile(r"qk_ci_[A-Za-z0-9_-]{32}\n")


def test_a_key_is_printed_once_and_only_its_hash_is_sent(quick: Any, manager: Any) -> None:
    manager.echoes = True
    done = quick("key", "create", "ci", "--scope", "read:g", "--scope", "mirror:*", "-m", "for the build")
    assert (0, "") == (done.code, done.err)
    assert SECRET.fullmatch(done.out)
    (sent,) = manager.requests
    assert ("POST", "/manager/key/ci") == (sent.method, sent.path)
    assert {"scopes": ["read:g", "mirror:*"], "digest": digest_of(done.out.strip()), "expiresAt": None} == sent.body
    assert "for%20the%20build" == sent.headers["Quick-Reason"]


def test_several_scopes_follow_one_option_and_an_expiry_can_be_a_duration(quick: Any, manager: Any) -> None:
    manager.echoes = True
    assert 0 == quick("key", "create", "ci", "-s", "manage", "ingest:orders-*", "--expires", "90d").code
    (sent,) = manager.requests
    assert ["manage", "ingest:orders-*"] == sent.body["scopes"]
    ahead = datetime.fromisoformat(sent.body["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=89) < ahead <= timedelta(days=90)


def test_a_repeated_command_does_not_print_a_key_that_opens_nothing(quick: Any, manager: Any) -> None:
    manager.answers({"name": "ci", "digest": digest_of("the first key")})
    text = (
        "The key ci was created by the command that you repeat, and what was printed then is the key."
        " If you do not have it: quick key revoke ci, and create it again.\n"
    )
    assert (1, "", text) == quick("key", "create", "ci", "-s", "manage", "--command-id", "mine")
    assert ["mine"] == manager.command_ids


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["CI", "-s", "manage"], 'Key name "CI" is invalid: it takes 1 to 63 of the characters a-z'),
        (["default", "-s", "manage"], 'Key name "default" is invalid: it is the name of the key that the deployment'),
        (["ci", "-s", "everything"], "'everything' is no scope. Choose of admin, manage, ingest:TOPIC"),
        (["ci", "-s", "manage", "ingest:"], "'ingest:' is no scope."),
        (["ci"], "Missing option '-s' / '--scope'."),
        (["ci", "-s", "admin", "--expires", "2020-01-01"], "'2020-01-01' is no time in the future. Write 90d, 12h"),
        (["ci", "-s", "admin", "--expires", "soon"], "'soon' is no time in the future."),
    ],
)
def test_a_key_that_cannot_be_is_a_mistake_on_the_command_line(
    quick: Any, manager: Any, arguments: list[str], error: str
) -> None:
    done = quick("key", "create", *arguments)
    assert (2, "") == (done.code, done.out)
    assert error in done.err
    assert [] == manager.requests


def test_an_expiry_is_of_this_machines_time_zone(quick: Any, manager: Any) -> None:
    manager.echoes = True
    quick("key", "create", "ci", "-s", "admin", "--expires", "2999-01-31T12:00", TZ="EST5")
    assert "2999-01-31T17:00:00.000Z" == manager.requests[0].body["expiresAt"]


def test_the_keys_are_a_table(quick: Any, manager: Any) -> None:
    keys = [
        {"name": "ci", "scopes": ["ingest:*", "manage"], "created": 3, "expiresAt": None},
        {"name": "dashboard", "scopes": ["read:g"], "created": 12, "expiresAt": "2027-02-22T14:30:12.345Z"},
    ]
    manager.answers(keys)
    expected = (
        "NAME        SCOPES            EXPIRES                    CREATED AT POSITION\n"
        "ci          ingest:* manage   never                      3\n"
        "dashboard   read:g            2027-02-22T14:30:12.345Z   12\n"
    )
    assert (0, expected, "") == quick("key", "list")
    assert "- created: 3\n  expiresAt: null\n  name: ci\n" in quick("key", "list", "-o", "yaml").out
    assert ["/manager/keys"] * 2 == manager.paths


def test_a_key_is_revoked(quick: Any, manager: Any) -> None:
    assert (0, "Revoked key ci\n", "") == quick("key", "revoke", "ci", "-m", "leaked")
    (sent,) = manager.requests
    assert ("DELETE", "/manager/key/ci", "leaked") == (sent.method, sent.path, sent.headers["Quick-Reason"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["create", "ci", "-s", "admin"], "Could not create key ci"),
        (["list"], "Could not list the keys"),
        (["revoke", "ci"], "Could not revoke key ci"),
    ],
)
def test_a_refusal_is_passed_on(quick: Any, manager: Any, arguments: list[str], text: str) -> None:
    manager.refuses(403, "Forbidden", "The key a lacks the scope admin.")
    assert (1, "", f"Forbidden: The key a lacks the scope admin.\n{text}\n") == quick("key", *arguments)


def test_an_answer_of_another_kind_asks_to_be_reported(quick: Any, manager: Any) -> None:
    manager.answers_in_turn(answer([{"id": 1}]))
    text = "Unexpected error. Exiting now.\nIt is a mistake in quick (KeyError: 'name'): please report it.\n"
    assert (1, "", text) == quick("key", "list")
