from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8s.names import CONFIG, HEADLESS, Prefix, is_own, job_name, object_name

LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")

ALIKE = st.text(alphabet="aAbB019._-é ", max_size=70)
"""Names that are easily taken for each other."""

NAMES = st.one_of(st.text(max_size=70), ALIKE, ALIKE.map(lambda name: f"{name}-headless"))


@pytest.mark.parametrize(
    ("prefix", "name", "expected"),
    [
        (Prefix.MIRROR, "orders", "quick-mirror-orders"),
        (Prefix.GATEWAY, "shop", "quick-gateway-shop"),
        (Prefix.APPLICATION, "recommender", "quick-app-recommender"),
        (Prefix.MIRROR, "a" * 39, "quick-mirror-" + "a" * 39),
        (Prefix.MIRROR, "my-transactions", "quick-mirror-my-transactions"),
    ],
)
def test_a_name_that_fits_is_only_given_its_prefix(prefix: Prefix, name: str, expected: str) -> None:
    assert expected == object_name(prefix, name)


@pytest.mark.parametrize("name", ["Orders", "orders_v1", "a" * 40, "shop.eu", "a-", "", "a-headless", "é"])
def test_a_name_that_does_not_fit_is_altered_and_ends_with_a_hash(name: str) -> None:
    made = object_name(Prefix.MIRROR, name)
    assert re.fullmatch(r"quick-mirror-([a-z0-9-]+-)?[bcdfghjklmnpqrstvwxz2456789]{12}", made)


def test_a_name_that_looks_like_an_altered_one_is_altered_too() -> None:
    altered = object_name(Prefix.MIRROR, "Orders")
    assert altered != object_name(Prefix.MIRROR, altered.removeprefix(Prefix.MIRROR))


@given(prefix=st.sampled_from(Prefix), name=NAMES, incarnation=st.integers(0, 10**18))
@example(prefix=Prefix.GATEWAY, name="\ud800", incarnation=1)
def test_whatever_a_thing_is_called_its_objects_have_names_that_kubernetes_takes(
    prefix: Prefix, name: str, incarnation: int
) -> None:
    made = object_name(prefix, name)
    assert LABEL.fullmatch(made)
    assert len(made) <= 52
    assert is_own(made)
    for derived in (made + HEADLESS, made + CONFIG, job_name(made, incarnation)):
        assert LABEL.fullmatch(derived)
        assert len(derived) <= 63


@given(st.lists(st.tuples(st.sampled_from(Prefix), NAMES), unique=True, min_size=2, max_size=30))
def test_different_things_have_different_names(things: list[tuple[Prefix, str]]) -> None:
    made = {object_name(prefix, name) for prefix, name in things}
    assert len(things) == len(made)
    assert not made & {name + HEADLESS for name in made}
    jobs = {job_name(name, incarnation) for name in made for incarnation in (1, 12, 10**17)}
    assert 3 * len(made) == len(jobs)


@given(NAMES)
def test_names_that_differ_in_letter_case_alone_have_different_objects(name: str) -> None:
    variants = {name, name.upper(), name.lower()}
    assert len(variants) == len({object_name(Prefix.MIRROR, variant) for variant in variants})


def test_names_are_the_same_in_every_process() -> None:
    program = "from k8s.names import *; print(object_name(Prefix.MIRROR, 'Orders'), job_name('a' * 52, 123456))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert f"{object_name(Prefix.MIRROR, 'Orders')} {job_name('a' * 52, 123456)}\n" == done.stdout
    assert "quick-mirror-orders-wm227wwjx5jj" == object_name(Prefix.MIRROR, "Orders"), "objects would be made anew"
