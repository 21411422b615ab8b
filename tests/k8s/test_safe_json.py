from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInputError
from k8s.safe_json import encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON))
def test_as_json_it_means_what_it_meant(manifest: dict[str, Any]) -> None:
    assert manifest == json.loads(encode(manifest))


@settings(deadline=None)
@given(st.text())
def test_no_character_is_left_that_yaml_reads_otherwise(text: str) -> None:
    sent = encode({"data": text}).decode()
    assert not set(sent) & {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u2028\u2029\ufeff\ufffe\uffff"}


@pytest.mark.parametrize("value", [dt.date(2026, 1, 1), float("nan"), "\ud83d", {1, 2}, b"x"])
def test_what_cannot_be_sent_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="cannot be sent to Kubernetes"):
        encode({"data": value})


def test_nesting_without_end_is_refused() -> None:
    nested: dict[str, Any] = {}
    nested["again"] = nested
    with pytest.raises(InvalidInputError, match="cannot be sent to Kubernetes"):
        encode(nested)
