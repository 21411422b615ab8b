"""Which schema a gateway serves: the one of the registry, and the last good one where that cannot be used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFoundError, StoredSchemaError, UnavailableError
from core.sdl import GatewaySchema, parse_gateway_schema
from core.stored_schemas import stored_schema
from services.gateway.executor import GatewayExecutor
from tests.running import until
from tests.services.gateway_machine import Machine

UNUSABLE = "type Query { secret: Unknown }"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the schemas that are built, in order."""
    found: list[str] = []

    class Counted(GatewayExecutor):
        def __init__(self, schema: GatewaySchema, *arguments: Any, **more: Any) -> None:
            found.append(schema.sdl)
            super().__init__(schema, *arguments, **more)

    monkeypatch.setattr("services.gateways.GatewayExecutor", Counted)
    return found


def fields_of(executor: GatewayExecutor) -> set[str]:
    answer: Any = executor.execute('{ __type(name: "Query") { fields { name } } }')
    return {field["name"] for field in answer["data"]["__type"]["fields"]}


def test_a_schema_is_built_once_and_again_when_it_changes(machine: Machine, built: list[str]) -> None:
    machine.create("shop", "type Query { a: Int }")
    gateways = machine.worker()
    first = gateways.executor("shop")
    machine.create("other", "type Query { o: Int }")
    assert first is gateways.executor("shop")
    machine.apply("shop", "type Query { b: Int }")
    assert {"b"} == fields_of(gateways.executor("shop"))
    assert ["type Query { a: Int }", "type Query { b: Int }"] == built
    assert {"a"} == fields_of(first)


def test_requests_that_come_together_build_a_schema_once(machine: Machine, built: list[str]) -> None:
    machine.create("shop", "type Query { a: Int }")
    gateways = machine.worker()
    with ThreadPoolExecutor(8) as threads:
        executors = set(threads.map(gateways.executor, ["shop"] * 32))
    assert (1, 1) == (len(executors), len(built))


def test_a_gateway_that_is_deleted_is_dropped_and_created_again_it_is_another_one(machine: Machine) -> None:
    machine.create("shop", "type Query { a: Int }")
    machine.create("other", "type Query { o: Int }")
    gateways = machine.worker()
    gateways.executor("shop")
    gateways.executor("other")
    machine.delete("shop")
    machine.delete("other")
    with pytest.raises(NotFoundError, match="Could not find resource shop"):
        gateways.executor("shop")
    gateways.troubles()
    assert {} == gateways._served
    machine.create("shop", "type Query { b: Int }")
    assert {"b"} == fields_of(gateways.executor("shop"))


def test_what_was_served_goes_on_when_the_next_schema_cannot_be_used(machine: Machine, built: list[str]) -> None:
    machine.create("shop", "type Query { a: Int }")
    machine.create("other", "type Query { o: Int }")
    gateways = machine.worker()
    before = gateways.executor("shop")
    machine.apply("shop", UNUSABLE)
    assert before is gateways.executor("shop")
    assert {"o"} == fields_of(gateways.executor("other"))
    (trouble,) = gateways.troubles()
    assert trouble.startswith("Gateway shop serves an earlier schema: this version cannot use the one in the log.")
    assert "secret" not in trouble
    machine.apply("shop", "type Query { c: Int }")
    assert {"c"} == fields_of(gateways.executor("shop"))
    assert ([], 3) == (gateways.troubles(), len(built))


def test_a_worker_that_starts_serves_the_last_schema_of_the_log_that_can_be_used(machine: Machine) -> None:
    machine.create("shop", "type Query { old: Int }")
    for sdl in ("type Query { good: Int }", UNUSABLE, "type Query {"):
        machine.apply("shop", sdl)
    gateways = machine.worker()
    assert {"good"} == fields_of(gateways.executor("shop"))
    assert ["Gateway shop serves an earlier schema"] == [text.partition(":")[0] for text in gateways.troubles()]


def test_a_gateway_without_a_usable_schema_says_why_and_the_others_serve(machine: Machine) -> None:
    machine.create("shop", "type Query { past: Int }")
    machine.delete("shop")
    machine.create("shop")
    machine.apply("shop", UNUSABLE)
    machine.create("other", "type Query { o: Int }")
    gateways = machine.worker()
    with pytest.raises(StoredSchemaError, match=r"quick gateway apply shop -f FILE(.|\n)*Unknown type 'Unknown'"):
        gateways.executor("shop")
    assert {"o"} == fields_of(gateways.executor("other"))
    assert ["Gateway shop cannot answer"] == [text.partition(":")[0] for text in gateways.troubles()]


def test_the_log_is_asked_for_an_earlier_schema_as_soon_as_it_can_be_read(machine: Machine) -> None:
    machine.create("shop", "type Query { good: Int }")
    machine.apply("shop", UNUSABLE)
    machine.log_error = UnavailableError("The command log is not ready: it is being opened.")
    gateways = machine.worker()
    with pytest.raises(StoredSchemaError):
        gateways.executor("shop")
    machine.log_error = None
    assert {"good"} == fields_of(gateways.executor("shop"))


def test_a_schema_that_cannot_be_built_for_unknown_reasons_tells_none_of_them(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(schema: GatewaySchema, *_: object) -> GatewayExecutor:
        raise RuntimeError("an internal matter")

    machine.create("shop", "type Query { a: Int }")
    monkeypatch.setattr("services.gateways.GatewayExecutor", failing)
    with pytest.raises(StoredSchemaError, match=r"look for \w{12} in the server's log") as caught:
        machine.worker().executor("shop")
    assert "internal matter" not in str(caught.value)


def test_what_cannot_be_used_is_told_before_anybody_asks(machine: Machine) -> None:
    machine.create("shop", UNUSABLE)
    machine.create("other", "type Query { o: Int }")
    gateways = machine.worker()
    gateways.start()
    until(lambda: gateways.troubles() != [])
    assert "Gateway shop cannot answer" == gateways.troubles()[0].partition(":")[0]


def test_building_one_schema_does_not_hold_up_another_gateway(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_building, is_free = threading.Event(), threading.Event()

    def held_up(gateway: str, sdl: str) -> GatewaySchema:
        if gateway == "slow":
            is_building.set()
            assert is_free.wait(60)
        return stored_schema(gateway, sdl)

    monkeypatch.setattr("services.gateways.stored_schema", held_up)
    monkeypatch.setattr("services.gateways._lock_number", lambda name: int(name == "slow"))
    machine.create("slow", "type Query { a: Int }")
    machine.create("shop", "type Query { b: Int }")
    gateways = machine.worker()
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(gateways.executor, "slow")
        assert is_building.wait(60)
        assert {"b"} == fields_of(gateways.executor("shop"))
        is_free.set()
        assert {"a"} == fields_of(slow.result(60))


LISTS = """
type Query { products: [Product] @topic(name: "p") one(id: ID): Product @topic(name: "q", keyArgument: "id") }
type Product { price: Float  name: String }
"""


def conditions_of(executor: GatewayExecutor) -> set[str]:
    answer: Any = executor.execute('{ __type(name: "ProductWhere") { inputFields { name } } }')
    found = answer["data"]["__type"]
    return set() if found is None else {field["name"] for field in found["inputFields"]}


def test_a_gateway_is_built_again_when_the_indexes_of_its_lists_change(machine: Machine, built: list[str]) -> None:
    machine.create("shop", LISTS)
    gateways = machine.worker()
    first = gateways.executor("shop")
    assert set() == conditions_of(first)
    assert "productsConnection" in fields_of(first)
    for change, expected in (
        (lambda: machine.made.create_mirror("p", "price"), {"price"}),
        (lambda: machine.made.alter_mirror("p", indexes=["price", "name"]), {"price", "name"}),
        (lambda: machine.made.delete_mirror("p"), set()),
    ):
        change()
        machine.fold()
        assert gateways.known("shop") is None
        assert expected == conditions_of(gateways.executor("shop"))
    assert [LISTS] * 4 == built


def test_what_a_gateway_does_not_depend_on_builds_nothing(machine: Machine, built: list[str]) -> None:
    machine.create("shop", LISTS)
    machine.made.create_mirror("p", "price")
    gateways = machine.worker()
    machine.fold()
    first = gateways.executor("shop")
    machine.made.create_mirror("q", "price")
    machine.made.create_mirror("other", "price")
    machine.made.alter_mirror("p", indexes=["price"], retention_ms=1_000)
    machine.fold()
    assert first is gateways.executor("shop")
    assert [LISTS] == built


def test_an_earlier_schema_that_is_served_follows_the_indexes_too(machine: Machine) -> None:
    machine.create("shop", LISTS)
    machine.apply("shop", UNUSABLE)
    gateways = machine.worker()
    assert set() == conditions_of(gateways.executor("shop"))
    machine.made.create_mirror("p", "name")
    machine.fold()
    assert {"name"} == conditions_of(gateways.executor("shop"))
    assert 1 == len(gateways.troubles())


def test_a_schema_of_the_log_says_whose_it_is() -> None:
    assert parse_gateway_schema("type Query { a: Int }").sdl == stored_schema("shop", "type Query { a: Int }").sdl
    with pytest.raises(StoredSchemaError, match="gateway shop has in the log"):
        stored_schema("shop", UNUSABLE)
