import json
from math import inf, nan
from typing import Any

import pytest

from core.errors import InvalidValueError
from core.json_values import (
    SHOWN_CHARACTERS,
    compact,
    json_number,
    node_type,
    parse_json,
    shown,
    type_mismatch,
)
from core.topic_type import TopicType


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("a", "string"),
        (1, "number"),
        (1.5, "number"),
        (True, "boolean"),
        ({}, "object"),
        ([], "array"),
        (None, "null"),
    ],
)
def test_nodes_are_named_as_json_names_them(node: Any, expected: str) -> None:
    assert expected == node_type(node)


def test_compact_text_has_no_blanks_and_keeps_characters() -> None:
    assert '{"ä":[1,true,null]}' == compact({"ä": [1, True, None]})


def test_a_mismatch_says_type_node_type_and_node() -> None:
    assert 'Data must be of type long. Got: string ("a")' == str(type_mismatch(TopicType.LONG, "a"))
    assert 'Data must be of type schema. Got: array ([{"a":1}])' == str(type_mismatch(TopicType.SCHEMA, [{"a": 1}]))


def test_a_long_node_is_cut_in_messages() -> None:
    text = shown("x" * 10 * SHOWN_CHARACTERS)
    assert SHOWN_CHARACTERS + 1 == len(text)
    assert text.endswith("…")


def test_a_shown_node_can_be_sent_in_utf_8() -> None:
    assert '"\\ud800"' == shown("\ud800")


def test_json_is_read_strictly() -> None:
    assert {"a": [1, 1.5, None]} == parse_json('{"a": [1, 1.5, null]}')


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a": Infinity}', "{} {}", "'a'", '"\\ud800"', "\ud800", "[" * 100_000, "01"]
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="is not JSON"):
        parse_json(text)


@pytest.mark.parametrize(("number", "expected"), [(1.5, 1.5), (nan, "NaN"), (inf, "Infinity"), (-inf, "-Infinity")])
def test_numbers_that_json_lacks_become_words(number: float, expected: Any) -> None:
    assert expected == json_number(number)
    assert json.dumps(json_number(number), allow_nan=False)
