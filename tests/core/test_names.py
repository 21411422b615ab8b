from __future__ import annotations

import pytest

from core.errors import InvalidNameError
from core.names import check_name, check_secret_name


@pytest.mark.parametrize("name", ["shop", "shop.eu-1", "1a", "a" * 253])
def test_a_name_that_can_be_in_a_path_is_taken(name: str) -> None:
    check_name("Gateway", name)


@pytest.mark.parametrize("name", ["", "Shop", "12", "-a", "a-", "a/b", ".", "..", "a\n", "ü", "a" * 254])
def test_any_other_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidNameError, match=r"(?s)^Application name .* is invalid: it takes 1 to 253"):
        check_name("Application", name)


def test_of_a_name_that_is_far_too_long_only_the_beginning_is_shown() -> None:
    with pytest.raises(InvalidNameError) as caught:
        check_name("Application", "a" * 100_000)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("name", ["regcred", "my.registry-1", "1", "a" * 253])
def test_a_secret_has_the_name_of_a_subdomain(name: str) -> None:
    check_secret_name(name)


@pytest.mark.parametrize("name", ["", "Reg", "-a", "a-", "a..b", ".a", "a.-b", "a/b", "a_b", "a\n", "a" * 254])
def test_a_secret_has_no_other_name(name: str) -> None:
    with pytest.raises(InvalidNameError, match=r"(?s)^Image pull secret .* is invalid"):
        check_secret_name(name)
