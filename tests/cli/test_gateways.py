"""`quick gateway`: schemas compared, applied and shown."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.on_a_terminal import on_a_terminal
from tests.cli.small_manager import Manager as SmallManager

REMOVED = {
    "severity": "breaking",
    "coordinate": "Product.name",
    "text": "Field Product.name was removed.",
    "wayOut": "Keep it.",
}
ADDED = {"severity": "safe", "coordinate": "Product", "text": "Type Product was added."}
MISSING = 'topic "product" does not exist yet (line 1, column 2)'
REPORT = {
    "changed": True,
    "changes": [REMOVED, ADDED],
    "warnings": [MISSING],
    "breaking": 1,
    "diff": "--- before\n+++ after\n@@ -1 +1 @@\n-a\n+b",
}
SAME = {"changed": False, "changes": [], "warnings": [], "breaking": 0, "diff": ""}

LINES = "breaking  Product.name: Field Product.name was removed. Keep it.\nsafe      Product: Type Product was added.\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "schema.gql"
    path.write_text("type Query { a: Int }")
    return str(path)


def test_a_schema_is_applied_with_one_line_and_no_question(quick: Any, manager: SmallManager, file: str) -> None:
    assert (0, "Applied schema to gateway g\n", "") == quick("gateway", "apply", "g", "-f", file)
    assert ["/manager/gateway/g/schema"] == manager.paths
    assert {"schema": "type Query { a: Int }"} == manager.requests[0].body


def test_a_dry_run_says_what_would_change(quick: Any, manager: SmallManager, file: str) -> None:
    manager.answers(REPORT)
    expected = f"{LINES}Would apply schema to gateway g (1 breaking change)\n"
    assert (0, expected, f"Warning: {MISSING}\n") == quick("gateway", "apply", "g", "-f", file, "--dry-run")
    assert ["/manager/gateway/g/schema?dryRun=true"] == manager.paths
    manager.answers(SAME)
    expected = "Gateway g serves this schema already\n"
    assert (0, expected, "") == quick("gateway", "apply", "g", "-f", file, "--dry-run")


def test_a_schema_that_breaks_somebody_is_refused_where_that_is_wanted(
    quick: Any, manager: SmallManager, file: str
) -> None:
    manager.refuses(409, "Conflict", "It has 1 breaking change:\n- Field a was removed.")
    expected = "Conflict: It has 1 breaking change:\n- Field a was removed.\nCould not apply schema to gateway: g\n"
    assert (1, "", expected) == quick("gateway", "apply", "g", "-f", file, "--fail-on-breaking")
    assert ["/manager/gateway/g/schema?failOnBreaking=true"] == manager.paths


@pytest.mark.usefixtures("quick")
def test_on_a_terminal_it_is_told_what_broke_and_what_is_missing(
    start_quick: Callable[..., subprocess.Popen[bytes]], manager: SmallManager, file: str
) -> None:
    manager.answers(REPORT)
    written = on_a_terminal(start_quick, "gateway", "apply", "g", "-f", file)
    assert ["/manager/gateway/g/schema?report=true"] == manager.paths
    expected = f"It has 1 breaking change:\n{LINES.splitlines()[0]}\nWarning: {MISSING}\n"
    assert expected == written


@pytest.mark.parametrize(("report", "code"), [(REPORT, 1), (SAME, 0)])
def test_a_diff_exits_with_what_it_found(
    quick: Any, manager: SmallManager, file: str, report: dict[str, Any], code: int
) -> None:
    manager.answers(report)
    expected = f"{LINES}{report['diff']}\n" if code else ""
    assert (code, expected, "") == quick("gateway", "diff", "g", "-f", file)
    (sent,) = manager.requests
    assert ("POST", "/manager/gateway/g/schema?dryRun=true") == (sent.method, sent.path)
    done = quick("gateway", "diff", "g", "-f", "-", "-o", "json", stdin="type Query { a: Int }")
    assert (code, report) == (done.code, json.loads(done.out))


def test_a_diff_that_cannot_be_made_exits_with_2(quick: Any, manager: SmallManager, file: str) -> None:
    manager.refuses(404, "Not Found", "Could not find resource g")
    expected = "Not Found: Could not find resource g\nCould not compare the schema with that of gateway g\n"
    assert (2, "", expected) == quick("gateway", "diff", "g", "-f", file)
    assert 2 == quick("gateway", "diff", "g", "-f", f"{file}.missing").code


def test_a_description_shows_what_the_schema_holds(quick: Any, manager: SmallManager) -> None:
    changed = {"position": 7, "time": "2026-01-31T12:00:00.000Z", "actor": "ada", "reason": "sold out"}
    found = {
        "name": "g",
        "replicas": 1,
        "tag": "0.1",
        "types": ["Product", "Query"],
        "topics": ["product"],
        "changed": changed,
        "warnings": [MISSING],
    }
    manager.answers(found)
    expected = (
        "Name: g\nReplicas: 1\nTag: 0.1\nTypes: Product, Query\nTopics: product\n"
        "Schema applied: 2026-01-31T12:00:00.000Z by ada, position 7: sold out\n"
    )
    assert (0, expected, "") == quick("gateway", "describe", "g")
    assert found == json.loads(quick("gateway", "describe", "g", "-o", "json").out)


def test_a_type_is_shown_in_every_form_and_a_schema_as_a_whole(quick: Any, manager: SmallManager) -> None:
    manager.answers({"schema": "text\n"})
    assert (0, "text\n\n", "") == quick("gateway", "schema", "g", "T", "--proto")
    assert (0, "text\n", "") == quick("gateway", "schema", "g")
    assert ["/manager/gateway/g/schema/T/protobuf", "/manager/gateway/g/schema"] == manager.paths
    done = quick("gateway", "schema", "g", "--avro")
    assert (2, "Error: Please say which type is to be shown so: quick gateway schema NAME TYPE.") == (
        done.code,
        done.err.splitlines()[2],
    )
