"""Gateways as the manager shows them where their schema, or the log, cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import falcon.asgi
import falcon.testing
import pytest

from core.errors import UnavailableError
from services.errors import add_error_handlers
from services.manager.gateway_schemas import WriteTypeResource
from services.manager.gateways import GatewayResource
from services.worker import Worker
from tests.services.gateway_machine import Machine

SDL = "type Query { a: Item } type Item { id: Int }"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.fixture
def client(machine: Machine) -> falcon.testing.TestClient:
    app = falcon.asgi.App()
    add_error_handlers(app)
    worker = cast("Worker", machine)
    app.add_route("/{name}", GatewayResource(worker))
    app.add_route("/{name}/{type_name}/{form}", WriteTypeResource(worker))
    return falcon.testing.TestClient(app)


def test_a_schema_that_cannot_be_used_is_described_with_the_reason(
    machine: Machine, client: falcon.testing.TestClient
) -> None:
    machine.create("shop", "type Query { a: Unknown }")
    shown = client.simulate_get("/shop").json
    (warning,) = shown["warnings"]
    assert "This version cannot use the schema that gateway shop has in the log." in warning
    assert warning.endswith("- Unknown type 'Unknown'. (line 1, column 17)")
    assert ("shop", 1) == (shown["name"], shown["changed"]["position"])
    answer = client.simulate_get("/shop/Item/avro")
    assert (503, None) == (answer.status_code, answer.headers.get("Retry-After"))
    assert "quick gateway apply shop -f FILE" in answer.json["detail"]


def test_a_gateway_is_described_without_the_log_too(machine: Machine, client: falcon.testing.TestClient) -> None:
    machine.create("shop", SDL)
    machine.log_error = UnavailableError("The command log is not ready: it is being opened.")
    expected = {"name": "shop", "replicas": 1, "tag": "1.0", "types": ["Item", "Query"]}
    assert expected == client.simulate_get("/shop").json


def test_a_gateway_that_was_given_no_schema_is_only_named(machine: Machine, client: falcon.testing.TestClient) -> None:
    machine.create("shop")
    assert {"name": "shop", "replicas": 1, "tag": "1.0"} == client.simulate_get("/shop").json
