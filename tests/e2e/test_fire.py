"""The house is on fire: while everybody works, the whole data folder is deleted and everything is killed."""

from __future__ import annotations

import shutil
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.running import Running, until

TOPIC = f"work-{uuid.uuid4().hex[:8]}"


class Work(threading.Thread):
    """Does one kind of work over and over until told to stop, and remembers what was acknowledged."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running
        self.acknowledged = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            try:
                with self.running.http() as http:
                    self.step(http, number)
            except httpx.TransportError:
                continue  # The server is down: nothing was acknowledged.

    def step(self, http: httpx.Client, number: int) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._stopping.set()
        self.join(120)
        assert not self.is_alive()


class Declaring(Work):
    """Creates gateways and deletes every second one."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self.positions: dict[str, int] = {}
        self.is_there: dict[str, bool] = {}

    def step(self, http: httpx.Client, number: int) -> None:
        name = f"gateway-{number}"
        if self._send(http, name, "POST", "/manager/gateway", {"name": name}) and number % 2:
            self._send(http, name, "DELETE", f"/manager/gateway/{name}", None)

    def _send(self, http: httpx.Client, name: str, method: str, path: str, body: object) -> bool:
        command_id = str(uuid.uuid4())
        self.is_there.pop(name, None)  # From here on it may or may not be, until the answer comes.
        answer = http.request(method, path, json=body, headers={"Quick-Command-Id": command_id})
        if answer.status_code == 200 and "Quick-Position" in answer.headers:
            self.positions[command_id] = int(answer.headers["Quick-Position"])
            self.is_there[name] = method == "POST"
            self.acknowledged += 1
            return True
        return False


class Writing(Work):
    """Writes records to one topic."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self.values: set[str] = set()

    def step(self, http: httpx.Client, number: int) -> None:
        pairs = [{"key": key, "value": f"v{key}"} for key in range(number * 10, number * 10 + 10)]
        if http.post(f"/ingest/{TOPIC}", json=pairs).status_code == 200:
            self.values |= {pair["value"] for pair in pairs}
            self.acknowledged += 1


def whole_log(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"limit": 1000}
    with running.http() as http:
        while True:
            page = http.get("/manager/log", params=parameters).raise_for_status().json()
            found = page["commands"] + found
            if page["next"] is None:
                return found
            parameters["before"] = page["next"]


def test_what_was_acknowledged_survives_a_deleted_data_folder(new_running: Callable[..., Running]) -> None:
    running = new_running()
    running.start()
    with running.http() as http:
        created = http.post(f"/manager/topic/{TOPIC}", params={"keyType": "long", "valueType": "string"}, json={})
        assert 200 == created.status_code
    declaring, writing = Declaring(running), Writing(running)
    works = (declaring, writing)
    for work in works:
        work.start()
    try:
        for _ in range(2):
            enough = [work.acknowledged + 20 for work in works]
            until(lambda enough=enough: all(w.acknowledged >= e for w, e in zip(works, enough, strict=True)))
            shutil.rmtree(running.data_dir, ignore_errors=True)  # Under the feet of all who have it open.
            running.stop(signal.SIGKILL)
            running.start()
        enough = [work.acknowledged + 5 for work in works]
        until(lambda: all(work.acknowledged >= e for work, e in zip(works, enough, strict=True)))
    finally:
        for work in works:
            work.stop()
    compare(running, declaring, writing)
    running.stop()


def compare(running: Running, declaring: Declaring, writing: Writing) -> None:
    running.await_health()
    log = whole_log(running)
    recorded = {command["command_id"]: command["position"] for command in log}
    assert declaring.positions == {command_id: recorded.get(command_id) for command_id in declaring.positions}
    assert 1 == max(Counter(command["command_id"] for command in log).values())
    with running.http() as http:
        names = {gateway["name"] for gateway in http.get("/manager/gateways").raise_for_status().json()}
    assert declaring.is_there == {name: name in names for name in declaring.is_there}
    with running.http() as http:  # While the mirror is being built, it has no values.
        until(lambda: writing.values <= set(http.get(f"/mirror/{TOPIC}/mirror").json().get("value", ())))
    assert "The log is sound" in running.quick("log", "verify")
    assert "registry: the same" in running.quick("replay", "--view", "registry")
