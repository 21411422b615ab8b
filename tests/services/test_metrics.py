"""Figures in Prometheus' format."""

from __future__ import annotations

import re
import uuid

import httpx

from tests.running import Running


def figures(running: Running) -> dict[str, int]:
    text = httpx.get(f"{running.url}/metrics", timeout=30).text
    return {name: int(value) for name, value in re.findall(r"^(quick_\w+) (\d+)$", text, re.MULTILINE)}


def test_figures_follow_the_log(running: Running) -> None:
    before = figures(running)
    with running.http() as http:
        created = http.post("/manager/gateway", json={"name": f"m-{uuid.uuid4().hex[:8]}"})
    position = int(created.headers["Quick-Position"])
    after = figures(running)
    assert position <= after["quick_log_position"]
    assert position <= after["quick_registry_position"]
    assert before["quick_log_next_offset"] < after["quick_log_next_offset"]
    assert (0, 0, 0) == tuple(
        after[f"quick_{name}"] for name in ("log_unsafe_settings", "log_stands_still", "registry_stands_still")
    )


def test_each_figure_is_explained(running: Running) -> None:
    answer = httpx.get(f"{running.url}/metrics", timeout=30)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    named = set(re.findall(r"^(quick_\w+) ", answer.text, re.MULTILINE))
    assert named == set(re.findall(r"^# HELP (\w+) .+", answer.text, re.MULTILINE))
    assert named == set(re.findall(r"^# TYPE (\w+) gauge$", answer.text, re.MULTILINE))
