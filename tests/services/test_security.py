"""Nothing is told without the key, not even which paths there are."""

from __future__ import annotations

import httpx
import pytest

from core.settings import Settings
from services.app import create_app
from services.worker import Worker
from tests.running import Running

ROUTES = {
    "/health": "open",
    "/manager/topics": "key",
    "/manager/topic/{name}": "key",
    "/manager/topic/{name}/mirror": "key",
    "/manager/gateways": "key",
    "/manager/gateway": "key",
    "/manager/gateway/{name}": "key",
    "/manager/gateway/{name}/schema": "key",
    "/manager/gateway/{name}/schema/{type_name}/{form}": "key",
    "/manager/log": "key",
    "/manager/applications": "key",
    "/manager/application": "key",
    "/manager/application/{name}": "key",
    "/ingest/{topic}": "key",
    "/ingest/{topic}/{key:path}": "key",
    "/mirror/{topic}/mirror": "key",
    "/mirror/{topic}/mirror/keys": "key",
    "/mirror/{topic}/mirror/{key:path}": "key",
    "/gateway/{name}/graphql": "key",
    "/gateway/{name}/graphiql-assets/{file}": "open",
}

GUARDED = [path for path, need in ROUTES.items() if need == "key"]


def filled(route: str) -> str:
    return "/".join("x" if part.startswith("{") else part for part in route.split("/"))


def test_no_route_is_forgotten_here(tmp_path: object) -> None:
    app = create_app(Worker(Settings(kafka="127.0.0.1:1", data_dir=tmp_path, api_key="k")))  # type: ignore[arg-type]
    found = set()
    nodes = [(node, "") for node in app._router._roots]
    while nodes:
        node, prefix = nodes.pop()
        path = f"{prefix}/{node.raw_segment}"
        if node.resource is not None:
            found.add(path)
        nodes += [(child, path) for child in node.children]
    assert set(ROUTES) == found


@pytest.mark.parametrize("key", [None, "", "wrong", "e2e-ke", "e2e-key2", b"\xff\xfe"])
@pytest.mark.parametrize("route", [*GUARDED, "/", "/nowhere", "/manager/nowhere"])
def test_without_the_key_every_path_is_refused_alike(running: Running, route: str, key: str | bytes | None) -> None:
    headers = {} if key is None else {"X-API-Key": key}
    for method in ("GET", "POST", "DELETE", "PUT"):
        answer = httpx.request(method, running.url + filled(route), headers=headers)  # type: ignore[arg-type]
        expected = {
            "type": "errors/clientError",
            "title": "Unauthorized",
            "code": 401,
            "detail": "No valid authentication token found in request.",
            "uriPath": filled(route),
        }
        assert (401, expected) == (answer.status_code, answer.json())


def test_health_is_open(running: Running) -> None:
    answer = httpx.get(f"{running.url}/health")
    assert (200, {"status": "UP"}) == (answer.status_code, answer.json())


def test_the_editor_is_open_and_its_queries_are_not(running: Running) -> None:
    page = httpx.get(f"{running.url}/gateway/any/graphql", headers={"Accept": "text/html"})
    assert 200 == page.status_code
    assert page.headers["Content-Type"].startswith("text/html")
    query = httpx.get(f"{running.url}/gateway/any/graphql?query={{a}}", headers={"Accept": "text/html"})
    assert 401 == query.status_code


def test_a_browser_of_another_site_may_ask_before_it_sends_a_key(running: Running) -> None:
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{running.url}/ingest/any", headers=headers)
    assert 200 == answer.status_code
    assert "*" == answer.headers["Access-Control-Allow-Origin"]
