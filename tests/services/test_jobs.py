"""Long work on the log over REST: streamed, and of no effect beyond what was asked for."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import httpx
import psutil
import pytest

from tests.running import Running, until


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    with running.http() as client:
        client.post("/manager/gateway", json={"name": f"jobs-{uuid.uuid4().hex[:8]}"}).raise_for_status()
        yield client


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert 200 == answer.status_code, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def result(answer: httpx.Response) -> dict[str, Any]:
    last = lines(answer)[-1]
    assert "result" in last, last
    found: dict[str, Any] = last["result"]
    return found


def test_a_sound_log_has_no_findings(http: httpx.Client) -> None:
    verified = result(http.get("/manager/log/verify"))
    assert 0 == verified["findings"]
    assert verified["position"] > 0


def test_an_export_is_read_by_any_avro_tool(http: httpx.Client) -> None:
    commands = http.get("/manager/log", params={"limit": 1000}).json()["commands"]
    exported = list(fastavro.reader(io.BytesIO(http.get("/manager/log/export").content)))
    assert [c["position"] for c in commands] == [row["position"] for row in exported][-len(commands) :]
    assert commands[-1]["command_id"] == exported[-1]["command_id"]
    assert commands[-1]["time"][:19] == exported[-1]["time"].isoformat()[:19]
    assert "quick:GatewayCreated" == exported[-1]["events"][0]["topic"]


@pytest.mark.parametrize("view", ["log", "registry", "status"])
def test_each_view_is_what_a_replay_makes(http: httpx.Client, view: str) -> None:
    compared = result(http.get("/manager/replay", params={"view": view}))
    assert (view, 0, False) == (compared["view"], compared["differences"], compared["is_swapped"])


@pytest.mark.parametrize("view", ["log", "registry", "status"])
def test_a_swap_keeps_everything_working(http: httpx.Client, view: str) -> None:
    topics, log = (http.get(path).json() for path in ("/manager/topics", "/manager/log"))
    assert result(http.post("/manager/replay", params={"view": view, "swap": "true"}))["is_swapped"]
    assert (topics, log) == (http.get("/manager/topics").json(), http.get("/manager/log").json())
    name = f"swap-{uuid.uuid4().hex[:8]}"
    created = http.post(f"/manager/topic/{name}", params={"keyType": "long", "valueType": "string"}, json={})
    assert 200 == created.status_code, created.text
    assert 200 == http.get(f"/manager/topic/{name}").status_code


def test_a_get_never_swaps(http: httpx.Client) -> None:
    assert not result(http.get("/manager/replay", params={"view": "registry", "swap": "true"}))["is_swapped"]


def test_a_log_is_not_restored_over_another_one(http: httpx.Client, running: Running) -> None:
    content = http.get("/manager/log/export").content
    http.post("/manager/gateway", json={"name": f"later-{uuid.uuid4().hex[:8]}"}).raise_for_status()
    before = http.get("/manager/log").json()
    refused = lines(http.post("/manager/log/restore", content=content))[-1]
    assert "not empty" in refused["error"]
    assert before == http.get("/manager/log").json()


@pytest.mark.parametrize(("content", "reason"), [(b"", "no export"), (b"Obj\x01nonsense", "no export")])
def test_what_is_no_export_is_not_restored(http: httpx.Client, content: bytes, reason: str) -> None:
    assert reason in lines(http.post("/manager/log/restore", content=content))[-1]["error"]


def test_a_cut_off_export_is_not_restored(http: httpx.Client) -> None:
    content = http.get("/manager/log/export").content
    answer = lines(http.post("/manager/log/restore", params={"dryRun": "true"}, content=content[:-100]))[-1]
    assert "Export it again" in answer["error"]


def test_nothing_is_left_of_a_job(http: httpx.Client, running: Running) -> None:
    for path in ("verify", "export"):
        http.get(f"/manager/log/{path}")
    assert [] == list((running.data_dir / "jobs").iterdir())


def test_a_job_ends_with_its_caller_and_the_next_one_tidies_up(http: httpx.Client, running: Running) -> None:
    with http.stream("GET", "/manager/log/verify") as answer:
        next(answer.iter_lines())
    jobs = Path(running.data_dir / "jobs")
    assert running.process is not None
    server = psutil.Process(running.process.pid)

    def is_alone() -> bool:
        return not any("projections.jobs" in " ".join(_argv(child)) for child in server.children(recursive=True))

    until(is_alone)
    assert 0 == result(http.get("/manager/log/verify"))["findings"]
    assert [] == list(jobs.iterdir())


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
