from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.scopes import ADMIN, MANAGE, check_scope, covers, named


@pytest.mark.parametrize(
    "scope",
    [
        "admin",
        "manage",
        "ingest:orders",
        "ingest:*",
        "ingest:orders-*",
        "read:shop",
        "read:*",
        "mirror:a.b_c-D9",
        "mirror:" + "x" * 249,
    ],
)
def test_what_can_be_allowed_is_a_scope(scope: str) -> None:
    check_scope(scope)


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "*",
        "Admin",
        "admin:*",
        "manage:topics",
        "ingest",
        "ingest:",
        "ingest:a:b",
        "ingest:a*b",
        "ingest:**",
        "ingest:a/b",
        "ingest:ü",
        "write:orders",
        " admin",
        "admin\n",
        "read:shop\n",
        "read:shop,admin",
        "\ud800",
    ],
)
def test_what_is_no_scope_is_told_which_there_are(scope: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is no scope\. Choose of admin, manage, ingest:TOPIC"):
        check_scope(scope)


@pytest.mark.parametrize(
    ("scope", "needed"),
    [
        ("admin", "admin"),
        ("admin", "manage"),
        ("admin", "ingest:orders"),
        ("manage", "manage"),
        ("ingest:orders", "ingest:orders"),
        ("ingest:*", "ingest:orders"),
        ("ingest:*", "ingest:*"),
        ("ingest:orders-*", "ingest:orders-new"),
        ("ingest:orders-*", "ingest:orders-"),
    ],
)
def test_a_scope_covers_its_own_and_what_its_star_stands_for(scope: str, needed: str) -> None:
    assert covers(scope, needed)


@pytest.mark.parametrize(
    ("scope", "needed"),
    [
        ("manage", "admin"),
        ("manage", "ingest:orders"),
        ("ingest:orders", "ingest:orders-new"),
        ("ingest:orders", "ingest:order"),
        ("ingest:orders", "mirror:orders"),
        ("ingest:orders", "manage"),
        ("ingest:*", "read:orders"),
        ("ingest:*", "manage"),
        ("ingest:*", "admin"),
        ("ingest:orders-*", "ingest:orders"),
        ("read:a.b", "read:aXb"),
    ],
)
def test_a_scope_covers_nothing_else(scope: str, needed: str) -> None:
    assert not covers(scope, needed)


_kinds = st.sampled_from(["ingest", "read", "mirror"])
_names = st.text("abz.-_9", min_size=1, max_size=8)


@given(_kinds, _names, _kinds, _names, st.sampled_from(["", "*"]))
def test_only_the_same_kind_and_a_name_that_fits_are_covered(
    kind: str, name: str, other: str, wanted: str, star: str
) -> None:
    scope = named(kind, name + star)
    check_scope(scope)
    expected = kind == other and (wanted.startswith(name) if star else wanted == name)
    assert expected == covers(scope, named(other, wanted))
    assert not covers(scope, ADMIN)
    assert not covers(scope, MANAGE)
    assert covers(ADMIN, named(other, wanted))
