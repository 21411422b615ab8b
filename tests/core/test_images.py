from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.images import MAX_REPOSITORY, check_image, image


@pytest.mark.parametrize(
    ("registry", "image_name", "tag"),
    [
        ("bakdata", "quick-demo-tinyurl", "1.0.0"),
        ("ghcr.io/bakdata", "a/b_c/d__e", "latest"),
        ("localhost:5000", "a.b", "_x"),
        ("[::1]:5000", "a", "V1.2-rc_3"),
        ("my_org/my--team", "x--y", "0"),
        ("eu.registry.example.com:443/a/b", "c", "t" * 128),
    ],
)
def test_an_image_is_named_as_registries_do(registry: str, image_name: str, tag: str) -> None:
    check_image(registry, image_name, tag)
    assert f"{registry}/{image_name}:{tag}" == image(registry, image_name, tag)


@pytest.mark.parametrize(
    "registry",
    ["", "https://ghcr.io", "bakdata/", "/bakdata", "a//b", "a b", "a:port", "ghcr.io/Bakdata", "a..b", "a@b", "a\n"],
)
def test_a_registry_that_cannot_be_used_is_refused_with_examples(registry: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^The registry .* cannot be used.*ghcr\.io/bakdata"):
        check_image(registry, "a", "1")


@pytest.mark.parametrize("image_name", ["", "A", "a:1", "a/", "/a", "a//b", "a..b", "-a", "a@sha256", "a b", "a\n"])
def test_an_image_name_that_cannot_be_used_is_refused(image_name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^The image name .* cannot be used"):
        check_image("bakdata", image_name, "1")


@pytest.mark.parametrize("tag", ["", "-1", ".1", "a/b", "a:b", "ü", "1 2", "1\n", "t" * 129])
def test_a_tag_that_cannot_be_used_is_refused(tag: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^The image tag .* cannot be used"):
        check_image("bakdata", "a", tag)


def test_registry_and_image_name_are_bounded_together() -> None:
    longest = "a" * (MAX_REPOSITORY - len("bakdata/"))
    check_image("bakdata", longest, "1")
    with pytest.raises(InvalidInputError, match="longer than 255 characters together"):
        check_image("bakdata", f"{longest}a", "1")


@given(
    st.from_regex(r"[aA0./:_@\[\] é\n-]{0,6}", fullmatch=True),
    st.from_regex(r"[aA0./:_@ é\n-]{0,6}", fullmatch=True),
    st.from_regex(r"[aA0./:_@ é\n-]{0,6}", fullmatch=True),
)
def test_whatever_is_taken_has_one_meaning(registry: str, image_name: str, tag: str) -> None:
    for parts in ((registry, "a", "1"), ("b", image_name, "1"), ("b", "a", tag), (registry, image_name, tag)):
        with suppress(InvalidInputError):
            check_image(*parts)
            whole = image(*parts)
            assert whole.isascii()
            assert whole.isprintable()
            assert " " not in whole
            assert "@" not in whole
            assert parts[2] == whole.rpartition(":")[2]
            assert parts[1].rpartition("/")[2] == whole.rpartition(":")[0].rpartition("/")[2]


@given(st.text(max_size=400))
def test_a_refusal_is_short_and_names_no_more_than_it_has_to(text: str) -> None:
    for parts in ((f"{text}/", "a", "1"), ("b", f"{text}:", "1"), ("b", "a", f"{text}-/")):
        with pytest.raises(InvalidInputError) as caught:
            check_image(*parts)
        assert len(str(caught.value)) < 1_000
