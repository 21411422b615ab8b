"""The description of the API and the API agree: routes, parameters, statuses, bodies."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import falcon.inspect
import httpx
import pytest
import schemathesis

from core.settings import Settings
from services.app import create_app
from services.openapi.document import document
from services.worker import Worker
from tests.running import Running

METHODS = {"get", "put", "post", "delete"}

UNDESCRIBED: dict[tuple[str, str], str] = {}
"""Method and path of what is served and not described, each with the reason."""


@pytest.fixture(params=[False, True], ids=["registry elsewhere", "registry here"])
def described(request: pytest.FixtureRequest) -> dict[str, Any]:
    return document(with_schema_registry=request.param)


def routes() -> set[tuple[str, str]]:
    """Return method and path of all that the application serves, without converters: `{position:int}` is the number."""
    app = create_app(Worker(Settings(kafka="127.0.0.1:1", data_dir=Path("nowhere"), api_key="k")))
    return {
        (method.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path))
        for route in falcon.inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal
    }


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, item[method])
        for path, item in described["paths"].items()
        for method in METHODS & item.keys()
    ]


def references(node: Any) -> set[str]:
    """Return everything that a description refers to."""
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_route_is_described_and_nothing_else_is() -> None:
    found = {(method, path) for method, path, _ in operations(document(with_schema_registry=False))}
    assert routes() - UNDESCRIBED.keys() == found


def test_the_description_is_valid(described: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(described).validate()


def test_all_that_is_referred_to_is_there(described: dict[str, Any]) -> None:
    for reference in references(described):
        node: Any = described
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]


def test_all_parts_are_referred_to(described: dict[str, Any]) -> None:
    found = references(described)
    parts = {
        f"#/components/{kind}/{name}"
        for kind in ("parameters", "responses", "schemas")
        for name in described["components"][kind]
    }
    assert set() == parts - found


def test_operations_have_names_of_their_own_and_declare_what_their_paths_hold(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert sorted(set(names)) == sorted(names)
    for _, path, operation in operations(described):
        declared = described["paths"][path].get("parameters", []) + operation.get("parameters", [])
        held = {parameter["name"] for parameter in declared if parameter.get("in") == "path"}
        assert set(re.findall(r"{(\w+)}", path)) == held


def test_it_is_served_without_a_key(running: Running) -> None:
    answer = httpx.get(f"{running.url}/openapi.json")
    assert (200, "application/json") == (answer.status_code, answer.headers["Content-Type"])
    assert document(with_schema_registry=False) == answer.json()
    assert version("quick-es") == answer.json()["info"]["version"]


def test_it_is_not_sent_again_to_who_has_it(running: Running) -> None:
    etag = httpx.get(f"{running.url}/openapi.json").headers["ETag"]
    answer = httpx.get(f"{running.url}/openapi.json", headers={"If-None-Match": f'"other", {etag}'})
    assert (304, b"") == (answer.status_code, answer.content)
    assert 200 == httpx.get(f"{running.url}/openapi.json", headers={"If-None-Match": '"other"'}).status_code
