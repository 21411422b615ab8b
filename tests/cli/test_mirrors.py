"""`quick mirror …`."""

from __future__ import annotations

import json
from typing import Any

MIRROR = {"name": "flight", "topicName": "flight", "replicas": 2, "tag": "0.1.0"}


def test_mirrors_are_listed_a_name_a_line(quick: Any, manager: Any) -> None:
    manager.answers([MIRROR, {**MIRROR, "name": "airport"}])
    assert (0, "flight\nairport\n", "") == quick("mirror", "list")
    assert [MIRROR] == json.loads(quick("mirror", "list", "-o", "json").out)[:1]
    manager.answers([])
    assert (0, "", "") == quick("mirror", "list")
    assert ["/manager/mirrors"] * 3 == manager.paths


def test_a_mirror_is_described_as_it_is_or_was(quick: Any, manager: Any) -> None:
    manager.answers(MIRROR)
    assert (0, "Name: flight\nTopic: flight\nReplicas: 2\nTag: 0.1.0\n", "") == quick("mirror", "describe", "flight")
    assert 0 == quick("mirror", "describe", "a/b", "--as-of", "17").code
    assert ["/manager/topic/flight/mirror", "/manager/topic/a%2Fb/mirror?asOf=17"] == manager.paths


def test_a_missing_mirror_and_a_refused_question_are_told_apart(quick: Any, manager: Any) -> None:
    manager.refuses(404, "Not Found", "There is no mirror t")
    text = "There is no mirror t. Each topic has one: quick topic create <NAME> -k <TYPE> -v <TYPE>"
    assert (1, "", f"Not Found: There is no mirror t\n{text}\n") == quick("mirror", "describe", "t")
    manager.refuses(403, "Forbidden", "No.")
    assert (1, "", "Forbidden: No.\nCould not describe mirror t\n") == quick("mirror", "describe", "t")
    assert (1, "", "Forbidden: No.\nCould not list the mirrors\n") == quick("mirror", "list")
