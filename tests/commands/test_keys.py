from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.decisions import Caller, Commands
from commands.keys import NewKey, create_key, revoke_key
from core.errors import ConflictError, InvalidInputError, InvalidNameError, NotFoundError
from core.event_mapper import EventMapper
from core.keys import KeyCreated, digest_of, new_secret

NewCaller = Callable[..., Caller]

DIGEST = digest_of("qk_ci_secret")


def created(commands: Commands, position: int) -> KeyCreated:
    [(_, indexed)] = commands.command_log.index.notifications(position, 1, position)
    event = EventMapper().event(indexed)
    assert isinstance(event, KeyCreated)
    return event


def test_a_key_is_created_and_revoked_and_its_name_is_free_again(commands: Commands, caller: NewCaller) -> None:
    assert 1 == create_key(commands, caller(), NewKey("ci", ["manage"], DIGEST))
    with pytest.raises(ConflictError, match="ci already exists"):
        create_key(commands, caller(), NewKey("ci", ["admin"], DIGEST))
    assert 2 == revoke_key(commands, caller(), "ci")
    with pytest.raises(NotFoundError, match="no key ci"):
        revoke_key(commands, caller(), "ci")
    assert 3 == create_key(commands, caller(), NewKey("ci", ["admin"], digest_of("another")))
    found = commands.command_log.index.command_of(2)
    assert found is not None
    assert ("revoke_key", "key/ci") == (found.record.command, found.record.target)


def test_the_log_holds_what_the_key_may_do_and_not_the_key(commands: Commands, caller: NewCaller) -> None:
    secret = new_secret("ci")
    scopes = ["read:shop", "ingest:*", "read:shop"]
    position = create_key(commands, caller(), NewKey("ci", scopes, digest_of(secret), "2030-01-01T01:00:00+01:00"))
    event = created(commands, position)
    assert ["ingest:*", "read:shop"] == event.scopes
    assert "2030-01-01T00:00:00.000Z" == event.expires_at
    assert digest_of(secret) == event.digest
    offset = commands.command_log.topic.end_offset() - 1
    raw = commands.command_log.topic.read(offset)
    assert raw is not None
    assert secret.removeprefix("qk_ci_").encode() not in raw


def test_the_same_command_creates_one_key(commands: Commands, caller: NewCaller) -> None:
    new = NewKey("ci", ["manage"], DIGEST)
    assert 1 == create_key(commands, caller("c1"), new) == create_key(commands, caller("c1"), new)
    assert 2 == revoke_key(commands, caller("c2"), "ci") == revoke_key(commands, caller("c2"), "ci")
    assert 2 == commands.command_log.index.max_notification_id()


REFUSED: list[tuple[NewKey, type[InvalidInputError], str]] = [
    (NewKey("CI", ["manage"], DIGEST), InvalidNameError, "1 to 63"),
    (NewKey("default", ["manage"], DIGEST), InvalidNameError, "deployment"),
    (NewKey("ci", [], DIGEST), InvalidInputError, "no scope. Give it at least one"),
    (NewKey("ci", ["manage", "everything"], DIGEST), InvalidInputError, "'everything' is no scope"),
    (NewKey("ci", ["manage"], "secret"), InvalidInputError, "64 hexadecimal"),
    *(
        (NewKey("ci", ["manage"], DIGEST, text), InvalidInputError, "send ISO 8601")
        for text in ("", "tomorrow", "1700000000", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")
    ),
]


def test_what_cannot_be_a_key_is_refused_before_anything_is_recorded(commands: Commands, caller: NewCaller) -> None:
    for new, error, reason in REFUSED:
        with pytest.raises(error, match=reason):
            create_key(commands, caller(), new)
    assert commands.command_log.index.max_notification_id() is None
