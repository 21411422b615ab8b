from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import NotFoundError
from services.gateways import Gateways
from tests.services.memory_mirrors import MemoryMirrors


class Registry:
    """One gateway, whose schema can change."""

    def __init__(self) -> None:
        self.position = 0
        self.looked_up = 0
        self.commits = 0

    def version(self) -> int:
        return self.commits

    def gateway(self, name: str) -> Any:
        if name != "shop":
            raise NotFoundError(f"Gateway {name} does not exist")
        self.looked_up += 1
        sdl = f"type Query {{ a{self.position}: Int }}"
        return SimpleNamespace(position=self.position, state=SimpleNamespace(sdl=sdl))


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def gateways(registry: Registry) -> Gateways:
    worker: Any = SimpleNamespace(views=SimpleNamespace(registry=registry))
    return Gateways(worker, MemoryMirrors())


def test_a_schema_is_built_once_until_it_changes(gateways: Gateways, registry: Registry) -> None:
    first = gateways.executor("shop")
    registry.commits += 1  # Something else was declared.
    assert first is gateways.executor("shop")
    registry.position = 1
    second = gateways.executor("shop")
    assert first is not second
    assert {"data": {"a1": None}} == second.execute("{ a1 }")


def test_what_was_looked_for_is_known_until_anything_is_declared(gateways: Gateways, registry: Registry) -> None:
    assert gateways.known("shop") is None
    executor = gateways.executor("shop")
    assert executor is gateways.known("shop")
    assert 1 == registry.looked_up
    registry.commits += 1
    assert gateways.known("shop") is None
    assert executor is gateways.executor("shop") is gateways.known("shop")


def test_a_gateway_that_does_not_exist_is_not_known_and_not_found(gateways: Gateways) -> None:
    assert gateways.known("none") is None
    with pytest.raises(NotFoundError, match="Gateway none does not exist"):
        gateways.executor("none")
