from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.aggregates import LogEvent, aggregate_id
from core.errors import FoldError, InvalidInputError, InvalidNameError
from core.keys import (
    Key,
    KeyCreated,
    KeyRevoked,
    check_digest,
    check_name,
    digest_of,
    fold,
    name_in,
    new_secret,
)
from core.record import timestamp_of

ID = aggregate_id("key", "ci")
DIGEST = digest_of("qk_ci_secret")

_names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True)


def created(version: int = 1, expires_at: str | None = None) -> KeyCreated:
    return KeyCreated(
        originator_id=ID,
        originator_version=version,
        name="ci",
        scopes=["ingest:*", "manage"],
        digest=DIGEST,
        expires_at=expires_at,
    )


def revoked(version: int = 2) -> KeyRevoked:
    return KeyRevoked(originator_id=ID, originator_version=version, name="ci")


def key(expires_at: str | None = None) -> Key:
    return Key(name="ci", scopes=("ingest:*", "manage"), digest=DIGEST, expires_at=expires_at)


def test_a_key_lives_from_its_creation_to_its_revocation_and_can_live_again() -> None:
    assert key() == fold(None, created())
    assert fold(key(), revoked()) is None
    assert key("2030-01-01T00:00:00.000Z") == fold(None, created(3, "2030-01-01T00:00:00.000Z"))


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (key(), created(2)),
        (None, revoked(1)),
        (None, LogEvent(originator_id=ID, originator_version=1)),
        (key(), LogEvent(originator_id=ID, originator_version=1)),
    ],
)
def test_an_event_that_does_not_follow_is_refused(before: Key | None, event: LogEvent) -> None:
    with pytest.raises(FoldError, match="does not follow on"):
        fold(before, event)


def test_a_key_opens_with_its_secret_only() -> None:
    secret = new_secret("ci")
    mine = Key(name="ci", scopes=("manage",), digest=digest_of(secret), expires_at=None)
    assert mine.is_opened_by(secret)
    for other in ("", secret[:-1], secret + "x", secret.upper(), new_secret("ci"), mine.digest, "qk_ci_", "\udcff"):
        assert not mine.is_opened_by(other)


def test_the_log_never_holds_the_secret() -> None:
    secret = new_secret("ci")
    assert f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}" == digest_of(secret)
    assert secret.removeprefix("qk_ci_") not in digest_of(secret)
    check_digest(digest_of(secret))


@pytest.mark.parametrize("secret", ["", "größe", "\udcff", "\x00"])
def test_whatever_a_caller_sends_has_a_digest(secret: str) -> None:
    check_digest(digest_of(secret))


def test_a_key_is_valid_until_the_moment_it_expires() -> None:
    moment = timestamp_of("2030-01-01T00:00:00.000Z")
    assert [False, True, True] == [
        key("2030-01-01T00:00:00.000Z").is_expired(now_ms) for now_ms in (moment - 1, moment, moment + 1)
    ]
    assert not key().is_expired(2**62)


@given(_names)
def test_a_secret_says_its_name(name: str) -> None:
    secret = new_secret(name)
    assert name == name_in(secret)
    assert re.fullmatch(r"qk_[a-z0-9.-]+_[A-Za-z0-9_-]{32}", secret)
    assert secret != new_secret(name)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "k",
        "qk_",
        "qk_ci",
        "qk__secret",
        "qk_CI_secret",
        "qk_-ci_secret",
        "QK_ci_secret",
        "xqk_ci_s",
        "qk_c i_secret",
    ],
)
def test_what_has_another_form_says_no_name(secret: str) -> None:
    assert name_in(secret) is None


@given(st.text(max_size=40))
def test_whatever_a_caller_sends_is_looked_at_without_a_fault(secret: str) -> None:
    for text in (secret, f"qk_{secret}"):
        name = name_in(text)
        assert name is None or text.startswith(f"qk_{name}_")


@pytest.mark.parametrize("name", ["a", "9", "ci", "my-key.v2", "a" * 63, "a--b", "defaults"])
def test_a_name_that_fits_in_a_key_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "with_underscore", "with space", "-a", "a-", ".", "a" * 64, "ü", "a\n", "a/b", "\ud800"]
)
def test_another_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidNameError, match="1 to 63 of the characters"):
        check_name(name)


def test_the_administrator_s_name_is_not_given_again() -> None:
    with pytest.raises(InvalidNameError, match="the deployment sets"):
        check_name("default")


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", "0" * 64, "sha256:" + "0" * 63, "sha256:" + "G" * 64, "sha256:" + "A" * 64, "md5:" + "0" * 64],
)
def test_what_is_no_digest_is_refused_with_the_way_to_make_one(digest: str) -> None:
    with pytest.raises(InvalidInputError, match="64 hexadecimal digits"):
        check_digest(digest)


def test_a_newline_behind_a_digest_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        check_digest(DIGEST + "\n")
