"""`quick doctor`: findings, and what they mean for the exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest


def finding(level: str, mend: str | None = None) -> dict[str, str | None]:
    return {"check": "log", "level": level, "text": f"it is {level}", "mend": mend}


OK = "✓ log: it is ok\n"
WARNING = "! log: it is warning\n    Look again.\n"
ERROR = "✗ log: it is error\n    Mend it.\n"


@pytest.mark.parametrize(
    ("levels", "code", "out", "err"),
    [
        ([], 0, "", ""),
        (["ok"], 0, OK, ""),
        (["warning", "ok"], 0, WARNING + OK, ""),
        (["ok", "error"], 1, OK + ERROR, "1 thing is wrong.\n"),
        (["error", "error", "warning"], 1, ERROR + ERROR + WARNING, "2 things are wrong.\n"),
    ],
)
def test_only_errors_fail(quick: Any, manager: Any, levels: list[str], code: int, out: str, err: str) -> None:
    mends = {"ok": None, "warning": "Look again.", "error": "Mend it."}
    manager.answers({"findings": [finding(level, mends[level]) for level in levels]})
    assert (code, out, err) == quick("doctor")
    assert ["/manager/doctor"] == manager.paths


def test_findings_are_also_json_with_the_same_exit_code(quick: Any, manager: Any) -> None:
    findings = [finding("error", "Mend it.")]
    manager.answers({"findings": findings})
    done = quick("doctor", "-o", "json")
    assert (1, "1 thing is wrong.\n") == (done.code, done.err)
    assert findings == json.loads(done.out)


def test_an_instance_that_cannot_be_examined_says_where_to_look(quick: Any, manager: Any) -> None:
    manager.refuses(503, "Service Unavailable", "The registry is not ready.")
    text = (
        "Service Unavailable: The registry is not ready.\n"
        "The instance could not be examined. See /health of its host, and what its processes log.\n"
    )
    assert (1, "", text) == quick("doctor")
