from __future__ import annotations

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arguments import MAX_BYTES, RESERVED, check_arguments, flag
from core.errors import InvalidInputError


def test_an_argument_is_an_option_with_two_dashes_in_front_whether_it_has_them_or_not() -> None:
    assert ("--input-topics", "--input-topics") == (flag("input-topics"), flag("--input-topics"))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"input-topics": "track-fetch", "productive": "false"},
        {"--kind": "FIRST", "a.b_c": "", "ü": "größe = 1 \"2\" '3' $(HOME) {{ x }}"},
        {"a": "x" * (MAX_BYTES - 1)},
    ],
)
def test_arguments_are_taken_as_they_are(arguments: dict[str, str]) -> None:
    check_arguments(arguments)


@pytest.mark.parametrize("key", ["", "--", "-a", "---a", "a=b", "a b", "a\tb", "a\u00a0b", "a\0", "a\n", "\ud800"])
def test_a_key_that_would_be_no_option_of_its_own_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be used: it would be no option"):
        check_arguments({key: "1"})


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\0", "\x1b[2J", "\x7f", "\x85", "\ud800"])
def test_a_value_with_control_characters_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError, match="The value of the argument 'a' has control characters"):
        check_arguments({"a": value})


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_what_quick_sets_itself_is_refused(key: str) -> None:
    for given_key in (key, f"--{key}"):
        with pytest.raises(InvalidInputError, match="is one that Quick sets itself"):
            check_arguments({given_key: "true"})


def test_an_argument_with_and_without_dashes_is_given_twice() -> None:
    with pytest.raises(InvalidInputError, match="The argument '--a' is given twice"):
        check_arguments({"a": "1", "--a": "2"})


def test_all_arguments_are_bounded_together_and_in_bytes() -> None:
    with pytest.raises(InvalidInputError, match="longer than 100000 bytes together"):
        check_arguments({"a": "x" * (MAX_BYTES // 2), "b": "y" * (MAX_BYTES // 2)})
    with pytest.raises(InvalidInputError, match="longer than 100000 bytes together"):
        check_arguments({"a": "ü" * (MAX_BYTES // 2)})


@given(st.dictionaries(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=80), max_size=4))
def test_whatever_is_taken_comes_to_the_container_as_it_was_meant(arguments: dict[str, str]) -> None:
    with suppress(InvalidInputError):
        check_arguments(arguments)
        options = [f"{flag(key)}={value}" for key, value in arguments.items()]
        assert list(arguments.values()) == [option.partition("=")[2] for option in options]
        assert len(options) == len({option.partition("=")[0] for option in options})
        for option in options:
            assert "Cc" not in map(unicodedata.category, option)
            option.encode()
