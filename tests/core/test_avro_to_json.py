import json
from math import inf, nan
from typing import Any

import pytest

from core.avro_to_json import is_json_ready, to_json_node
from core.avro_types import parse_avro


@pytest.mark.parametrize(
    ("field_type", "expected"),
    [
        ("string", True),
        ("long", True),
        (["null", "int"], True),
        ({"type": "array", "items": "string"}, True),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, True),
        (["null", {"type": "enum", "name": "E", "symbols": ["A"]}], True),
        ("double", False),
        (["null", "float"], False),
        ("bytes", False),
        ({"type": "long", "logicalType": "timestamp-micros"}, False),
        ({"type": "map", "values": {"type": "fixed", "name": "F", "size": 2}}, False),
        (["int", "string"], False),
        (["null", "R"], False),
    ],
)
def test_only_values_that_are_json_as_they_stand_are_ready(field_type: Any, *, expected: bool) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": field_type}]}
    assert expected == is_json_ready(parse_avro(json.dumps(schema), "S"))


def test_every_field_is_written_and_unions_have_no_wrapper() -> None:
    value = {
        "none": None,
        "bytes": b"\x00\xff",
        "floats": [1.5, nan, inf, -inf],
        "record": ("n.R", {"a": ("bytes", b"x")}),
        "flag": True,
        "text": "a",
        "items": [("int", 5), None],
    }
    assert {
        "none": None,
        "bytes": "AP8=",
        "floats": [1.5, "NaN", "Infinity", "-Infinity"],
        "record": {"a": "eA=="},
        "flag": True,
        "text": "a",
        "items": [5, None],
    } == to_json_node(value)
