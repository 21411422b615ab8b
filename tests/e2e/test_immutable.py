"""Immutable topics: of all who write a key at the same time exactly one is told yes, on one machine and on two."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, and not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from core.kafka import client_config
from tests.running import Running, until

ROUNDS = 40


@pytest.fixture(scope="module")
def machines(new_running: Callable[..., Running]) -> tuple[Running, Running]:
    """Return two machines on the same log: each folds the topics into mirrors of its own."""
    one = new_running()
    two = new_running(log_topic=one.log_topic)
    one.start()
    two.start()
    return one, two


@pytest.fixture
def topic(machines: tuple[Running, Running]) -> str:
    name = f"immutable-{uuid.uuid4().hex[:8]}"
    with machines[0].http() as http:
        parameters = {"keyType": "string", "valueType": "string"}
        made = http.post(f"/manager/topic/{name}", params=parameters, json={"writeType": "immutable"})
        assert 200 == made.status_code, made.text
    for machine in machines:
        until(lambda machine=machine: is_known(machine, name))
    return name


def is_known(machine: Running, name: str) -> bool:
    with machine.http() as http:
        return http.get(f"/mirror/{name}/mirror/none").json()["detail"].startswith("Key none")


def write(machine: Running, topic: str, body: object, query: str = "") -> httpx.Response:
    with machine.http() as http:
        return http.post(f"/ingest/{topic}{query}", json=body)


@pytest.mark.parametrize("count", [1, 2])
def test_of_simultaneous_writers_exactly_one_is_told_yes(
    machines: tuple[Running, Running], topic: str, count: int
) -> None:
    writers = 6
    for number in range(ROUNDS):
        key, together = f"key-{number}", threading.Barrier(writers)

        def attempt(writer: int, key: str = key, together: threading.Barrier = together) -> tuple[str, httpx.Response]:
            value = f"value-{writer}"
            together.wait(60)
            return value, write(machines[writer % count], topic, {"key": key, "value": value})

        with ThreadPoolExecutor(writers) as pool:
            outcomes = list(pool.map(attempt, range(writers)))
        told_yes = [value for value, answer in outcomes if answer.status_code == 200]
        assert 1 == len(told_yes), [answer.text for _, answer in outcomes]
        refusals = {answer.json()["detail"] for _, answer in outcomes if answer.status_code != 200}
        assert {f"The following keys already exist for immutable topic {topic}: {key}"} == refusals
        for machine in machines:
            until(lambda machine=machine, key=key, kept=told_yes[0]: {"value": kept} == read(machine, topic, key))


def read(machine: Running, topic: str, key: str) -> object:
    with machine.http() as http:
        return http.get(f"/mirror/{topic}/mirror/{key}").json()


def test_new_keys_of_a_batch_are_written_and_the_others_told(machines: tuple[Running, Running], topic: str) -> None:
    one, _ = machines
    assert 200 == write(one, topic, {"key": "old", "value": "1"}).status_code
    batch = [{"key": key, "value": f"{key}{number}"} for number, key in enumerate(["a", "old", "a", "b"])]
    answer = write(one, topic, batch, "?verdicts=true")
    detail = f"The following keys already exist for immutable topic {topic}: old, a"
    assert (400, detail) == (answer.status_code, answer.json()["detail"])
    verdicts = answer.json()["verdicts"]
    assert [True, False, False, True] == ["offset" in verdict for verdict in verdicts]
    assert "The key old already exists" in verdicts[1]["error"]["detail"]
    assert {"value": "a0"} == read(one, topic, "a")
    lines = b"\n".join(json.dumps(pair).encode() for pair in [*batch, {"key": "c", "value": "c"}])
    with one.http() as http:
        told = http.post(f"/ingest/{topic}", content=lines, headers={"Content-Type": "application/x-ndjson"})
    *each, end = map(json.loads, told.text.splitlines())
    assert [False] * 4 + [True] == ["offset" in verdict for verdict in each]
    assert (5, 1, 4) == (end["records"], end["written"], end["refused"])


def test_nothing_is_deleted_and_nothing_is_atomic(machines: tuple[Running, Running], topic: str) -> None:
    one, _ = machines
    assert 200 == write(one, topic, {"key": "k", "value": "v"}).status_code
    with one.http() as http:
        refusals = [
            http.delete(f"/ingest/{topic}/k"),
            http.request("DELETE", f"/ingest/{topic}", json=["k"]),
            http.post(f"/ingest/{topic}", json={"key": "k", "value": None}),
            http.post(f"/ingest/{topic}?atomic=true", json={"key": "new", "value": "v"}),
        ]
    assert [400] * 4 == [answer.status_code for answer in refusals]
    assert "is immutable: nothing of it is deleted" in refusals[0].json()["detail"]
    assert "cannot be atomic" in refusals[3].json()["detail"]
    assert {"value": "v"} == read(one, topic, "k")


def test_a_topic_that_somebody_lets_be_compacted_takes_nothing_until_that_is_mended(
    machines: tuple[Running, Running], topic: str
) -> None:
    one, _ = machines
    set_policy(one.kafka, topic, "compact")

    def is_refused() -> bool:
        answer = write(one, topic, {"key": uuid.uuid4().hex, "value": "v"})
        if answer.status_code == 503:
            details.append(answer.json()["detail"])
        return any("Nothing is written to topic" in detail for detail in details)

    details: list[str] = []
    until(is_refused)
    assert "cleanup.policy=compact" in details[-1]
    set_policy(one.kafka, topic, "delete")
    until(lambda: write(one, topic, {"key": uuid.uuid4().hex, "value": "v"}).status_code == 200)


def set_policy(kafka: str, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(client_config(kafka))
    admin.incremental_alter_configs([resource])[resource].result(60)
