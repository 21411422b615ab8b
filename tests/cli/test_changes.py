"""How differences are shown."""

from __future__ import annotations

from typing import Any

import pytest

from cli.changes import change_lines


def change(kind: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"change": kind, "noun": "topic", "name": "flight", "fields": list(fields)}


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("created", ["+ topic/flight created", '    config: {"ü": 1}', "    partitions: 3", "    tag: null"]),
        ("removed", ["- topic/flight removed", "    config: null", "    partitions: 1", "    tag: old"]),
        (
            "changed",
            ["~ topic/flight changed", '    config: null → {"ü": 1}', "    partitions: 1 → 3", "    tag: old → null"],
        ),
        (
            "replaced",
            ["± topic/flight replaced", '    config: null → {"ü": 1}', "    partitions: 1 → 3", "    tag: old → null"],
        ),
    ],
)
def test_a_change_shows_the_sides_that_it_has(kind: str, lines: list[str]) -> None:
    fields = (
        {"field": "config", "after": {"ü": 1}},  # What is null is left out of the answer.
        {"field": "partitions", "before": 1, "after": 3},
        {"field": "tag", "before": "old"},
    )
    assert lines == list(change_lines([change(kind, *fields)]))


def test_a_text_is_shown_as_the_diff_without_its_file_names() -> None:
    diff = "--- before\n+++ after\n@@ -1,2 +1,2 @@\n type A {\n-  b: Int\n+  b: Long"
    field = {"field": "value_schema.sdl", "before": "x", "after": "y", "diff": diff}
    assert [
        ">~ topic/flight changed",
        ">    value_schema.sdl:",
        ">      @@ -1,2 +1,2 @@",
        ">       type A {",
        ">      -  b: Int",
        ">      +  b: Long",
    ] == list(change_lines([change("changed", field)], ">"))


def test_changes_follow_each_other_and_none_are_no_lines() -> None:
    assert ["+ topic/flight created", "- topic/flight removed"] == list(
        change_lines([change("created"), change("removed")])
    )
    assert [] == list(change_lines([]))
